"""Arrays that wait for their commit outside of memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from mapping.records import Blocks


def on_disk(blocks: Blocks, folder: Path | None) -> Blocks:
    """The same blocks, their arrays as `array_on_disk` has them."""
    return Blocks(*(array_on_disk(array, folder) for array in vars(blocks).values()))


def array_on_disk(array: np.ndarray, folder: Path | None) -> np.ndarray:
    """The same array, read-only, in a nameless file of `folder` (None: the system's own for such files), which goes
    away with the array.

    Raises: OSError for a disk that is full or not to be written.
    """
    if not array.size:
        return array
    with tempfile.TemporaryFile(dir=folder) as file:
        # written, not mapped: a full disk is then an error, where a mapping would kill the process
        np.ascontiguousarray(array).tofile(file)
        return np.memmap(file, array.dtype, "r", shape=array.shape)
