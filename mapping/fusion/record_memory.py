"""Memory for the voxels of a submap that grows without being copied."""

from __future__ import annotations

import mmap

import numpy as np

HUGE_PAGE = 1 << 21  # bytes


class RecordMemory:
    """Zeroed records u16 [capacity, words]; those never written to take no memory.

    Pages of 2 MiB, where the system gives them: a block's first voxels cost less, and so does finding them again.
    """

    def __init__(self, words: int) -> None:
        self._row_bytes = 2 * words
        self._map: mmap.mmap | None = None
        self.array = np.zeros((0, words), np.uint16)

    def grow(self, capacity: int) -> None:
        """Makes room for at least `capacity` records; arrays taken from here before must no longer be used."""
        size = -(-capacity * self._row_bytes // HUGE_PAGE) * HUGE_PAGE
        words = self.array.shape[1]
        if hasattr(mmap, "MADV_HUGEPAGE"):  # Linux: pages move to where there is room, by name only
            self.array = np.zeros((0, words), np.uint16)
            if self._map is None:
                self._map = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            else:
                self._map.resize(size)
            self._map.madvise(mmap.MADV_HUGEPAGE)
            self.array = np.frombuffer(self._map, np.uint16, size // self._row_bytes * words).reshape(-1, words)
        else:
            larger = np.zeros((size // self._row_bytes, words), np.uint16)
            larger[: len(self.array)] = self.array
            self.array = larger
