"""Checkpoints of a run: whole or not there at all, the newest few kept."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from streammtl.errors import CheckpointError
from streammtl.training.tensor_parts import read_parts, write_parts

STATE = "state.json"
PREFIX = "step-"


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and what else there is to know, as plain values."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


def save_checkpoint(folder: Path, step: int, checkpoint: Checkpoint, keep: int) -> Path:
    """Writes folder/step-00001234 under another name first, so that a crash leaves it whole or absent."""
    path = folder / f"{PREFIX}{step:08}"
    partial = folder / f"{path.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_parts(partial, checkpoint.tensors)
    (partial / STATE).write_text(json.dumps(checkpoint.state))
    if path.exists():
        shutil.rmtree(path)
    partial.rename(path)
    for old in checkpoint_paths(folder)[:-keep]:
        shutil.rmtree(old)
    return path


def load_checkpoint(path: Path) -> Checkpoint:
    """Raises: CheckpointError where it is missing or damaged."""
    try:
        state = json.loads((path / STATE).read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is no checkpoint ({error}); give the folder of a run.") from error
    return Checkpoint(read_parts(path), state)


def checkpoint_paths(folder: Path) -> list[Path]:
    """All whole checkpoints, oldest first."""
    found = [p for p in folder.glob(f"{PREFIX}*") if p.suffix != ".partial" and (p / STATE).is_file()]
    return sorted(found, key=lambda p: p.name)
