"""Weights that come with the package: a safetensors file beside the model, and what is known of it in JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from streammtl.errors import CheckpointError

FOLDER = Path(__file__).parent
UNKNOWN_SCALE_ERROR = 0.2  # of weights that nobody judged in many rooms: that of the worst which somebody did


@dataclass(frozen=True)
class ShippedWeights:
    """A file and the checksum it must have; scale_error as Predictor.scale_error gives it."""

    path: Path
    sha256: str
    scale_error: float = UNKNOWN_SCALE_ERROR


def shipped_weights(model: str) -> ShippedWeights | None:
    """Of a model by its name; None for one that has none. Raises: CheckpointError for a damaged installation."""
    path = FOLDER / f"{model.replace('-', '_')}.safetensors"
    if not path.exists():
        return None
    try:
        known = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return ShippedWeights(path, known["sha256"], float(known.get("scale_error", UNKNOWN_SCALE_ERROR)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"what belongs to {path} cannot be read ({error}); install the package again.") from error
