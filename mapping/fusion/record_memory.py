"""Memory for the voxels of a submap that grows without being copied."""

from __future__ import annotations

import contextlib
import mmap

import numpy as np

HUGE_PAGE = 1 << 21  # bytes


class RecordMemory:
    """Zeroed records u16 [capacity, words]; those never written to take no memory.

    Pages of 2 MiB, where the system gives them: a block's first voxels cost less, and so does finding them again.
    """

    def __init__(self, words: int, capacity: int) -> None:
        self._words = words
        self._map = _anonymous(self._bytes(capacity))
        self.array = self._records()

    def grow(self, capacity: int) -> None:
        """Makes room for at least `capacity` records, in a new `array`."""
        size = self._bytes(capacity)
        del self.array
        try:
            self._map.resize(size)
        except (BufferError, SystemError):  # somebody holds an older array, or the system cannot
            before, self._map = self._map, _anonymous(size)
            np.frombuffer(self._map, np.uint8)[: len(before)] = np.frombuffer(before, np.uint8)
        self.array = self._records()

    def _bytes(self, capacity: int) -> int:
        return -(-2 * capacity * self._words // HUGE_PAGE) * HUGE_PAGE

    def _records(self) -> np.ndarray:
        count = len(self._map) // (2 * self._words)
        return np.frombuffer(self._map, np.uint16, count * self._words).reshape(count, self._words)


def _anonymous(size: int) -> mmap.mmap:
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return mmap.mmap(-1, size)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without them
        pages.madvise(mmap.MADV_HUGEPAGE)
    return pages
