"""Named arrays through a pipe: numbers alone, so that neither side can be made to run what the other sends."""

from __future__ import annotations

import io
import json
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy


def send(stream: BinaryIO, arrays: dict[str, np.ndarray]) -> None:
    """Writes a line with the names and the size of what follows: each array in NumPy's own format. Raises: OSError."""
    content = io.BytesIO()  # of its own: NumPy takes what has a file descriptor for a file that can be sought in
    for array in arrays.values():
        npy.write_array(content, np.asarray(array), allow_pickle=False)
    stream.write(json.dumps([content.tell(), *arrays]).encode() + b"\n")
    stream.write(content.getbuffer())
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, np.ndarray]:
    """Reads what `send` wrote. Raises: EOFError where the stream ends before or within a message, ValueError for what
    holds objects."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError("the other side has closed the pipe")
    size, *names = json.loads(line)
    content = stream.read(size)
    if len(content) < size:
        raise EOFError(f"the pipe was closed after {len(content)} of {size} bytes")
    arrays = io.BytesIO(content)
    return {name: npy.read_array(arrays, allow_pickle=False) for name in names}
