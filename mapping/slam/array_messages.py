"""Named arrays through a pipe: numbers alone, so that neither side can be made to run what the other sends."""

from __future__ import annotations

import json
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy


def send(stream: BinaryIO, arrays: dict[str, np.ndarray]) -> None:
    """Writes a line with the names, and behind it each array in NumPy's own format. Raises: OSError."""
    stream.write(json.dumps(list(arrays)).encode() + b"\n")
    for array in arrays.values():
        npy.write_array(stream, np.asarray(array), allow_pickle=False)
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, np.ndarray]:
    """Reads what `send` wrote. Raises: EOFError where the stream ends before or within a message."""
    names = stream.readline()
    if not names.endswith(b"\n"):
        raise EOFError("the other side has closed the pipe")
    try:
        return {name: npy.read_array(stream, allow_pickle=False) for name in json.loads(names)}
    except ValueError as error:
        raise EOFError(f"the message is not whole: {error}") from error
