"""Blocks that wait for their commit outside of memory."""

from __future__ import annotations

import mmap
import tempfile
from pathlib import Path

import numpy as np

from mapping.records import Blocks


def on_disk(blocks: Blocks, folder: Path) -> Blocks:
    """The same blocks, their arrays in nameless files of `folder`, which the system removes with the arrays.

    Raises: OSError for a disk that is full or not to be written.
    """
    return Blocks(*(_on_disk(array, folder) for array in vars(blocks).values()))


def _on_disk(array: np.ndarray, folder: Path) -> np.ndarray:
    if not array.size:
        return array
    with tempfile.TemporaryFile(dir=folder) as file:
        mapped = np.memmap(file, array.dtype, "w+", shape=array.shape)
    mapped[:] = array
    mapped.flush()
    if isinstance(mapped.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.base.madvise(mmap.MADV_DONTNEED)  # its pages leave this process now, not when memory runs short
    return mapped
