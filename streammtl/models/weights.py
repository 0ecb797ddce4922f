"""Reading trained weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from streammtl.errors import CheckpointError


def load_weights(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Tensors by name of a safetensors file, on the CPU. Other formats are refused: they can run code when read.

    Raises: CheckpointError if the file is missing, damaged, of another format, or its checksum is not `sha256`.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"weights file {path} cannot be read ({error.strerror}); check model.weights.") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise CheckpointError(
            f"weights file {path} has sha256 {found}, expected {sha256}; fetch it again or correct "
            "model.weights_sha256."
        )
    try:
        return load(content)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a whole safetensors file ({error}); fetch or export it again.") from error
