"""Any number of tensors as safetensors files of bounded size, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from streammtl.errors import CheckpointError

PART_BYTES = 15_000_000  # of tensors; with the header a file stays below 16 MB
INDEX = "tensors.json"


def write_parts(folder: Path, tensors: dict[str, Tensor], part_bytes: int = PART_BYTES) -> None:
    """Writes part-000.safetensors, ... and an index of names and shapes. Tensors that are too long are cut."""
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    parts = 0
    held: dict[str, Tensor] = {}
    size = 0
    for key, piece in _pieces(tensors, part_bytes):
        if held and size + piece.nbytes > part_bytes:
            save_file(held, folder / f"part-{parts:03}.safetensors")
            parts, held, size = parts + 1, {}, 0
        held[key] = piece
        size += piece.nbytes
    save_file(held, folder / f"part-{parts:03}.safetensors")
    (folder / INDEX).write_text(json.dumps({"parts": parts + 1, "shapes": shapes}))


def read_parts(folder: Path) -> dict[str, Tensor]:
    """The tensors that `write_parts` wrote. Raises: CheckpointError where a part is missing or damaged."""
    try:
        index = json.loads((folder / INDEX).read_text())
        pieces: dict[str, Tensor] = {}
        for part in range(index["parts"]):
            pieces |= load_file(folder / f"part-{part:03}.safetensors")
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise CheckpointError(f"{folder} is not a whole checkpoint ({error}); use an earlier one.") from error
    found: dict[str, list[tuple[int, Tensor]]] = {}
    for key, piece in pieces.items():
        name, _, number = key.rpartition("#")
        found.setdefault(name, []).append((int(number), piece))
    if missing := index["shapes"].keys() - found.keys():
        raise CheckpointError(f"{folder} lacks {', '.join(sorted(missing)[:3])}; use an earlier checkpoint.")
    return {
        name: torch.cat([piece for _, piece in sorted(found[name], key=lambda entry: entry[0])]).view(shape)
        for name, shape in index["shapes"].items()
    }


def _pieces(tensors: dict[str, Tensor], part_bytes: int) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in tensors.items():
        flat = tensor.detach().cpu().contiguous().flatten()
        longest = max(1, part_bytes // max(1, flat.element_size()))
        for number, piece in enumerate(flat.split(longest) if flat.numel() else (flat,)):
            yield f"{name}#{number}", piece.clone()
