"""A bounded ring of frames in memory shared between the decoding process and its consumer."""

from __future__ import annotations

import mmap
import os
import tempfile

import numpy as np

MAX_BYTES = 64 * 1024 * 1024


def create_ring_file() -> int:
    """File descriptor of an anonymous file: it vanishes with the last process that holds it, even after kill -9."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("streammtl-frames")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class FrameRing:
    """Slots for u8 [H,W,3] frames, used in turn: frame n lies in slot n modulo their number."""

    def __init__(self, descriptor: int, slots: int, height: int, width: int, *, create: bool) -> None:
        size = slots * height * width * 3
        if create:
            os.ftruncate(descriptor, size)
        self._memory = mmap.mmap(descriptor, size)
        self.slots = np.ndarray((slots, height, width, 3), np.uint8, buffer=self._memory)

    @staticmethod
    def fitting_slots(wanted: int, height: int, width: int) -> int:
        """As many slots as wanted, fewer when frames are so large that they would take more than MAX_BYTES."""
        return max(2, min(wanted, MAX_BYTES // (height * width * 3)))
