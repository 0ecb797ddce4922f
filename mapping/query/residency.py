"""Which blocks of a map are in memory, and in which slots: a cache of fixed size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

ABSENT, VOID = np.int32(-1), np.int32(-2)  # not in memory; known to hold nothing
LEAST_SLOTS = 64
# numbers wanted -> numbers now known, numbers of those that hold something, and their arrays by name
Load = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]]


class Residency:
    """Arrays with one slot per block. When they are full, what was asked for longest ago makes room."""

    def __init__(self, total: int, memory_bytes: int, row: dict[str, tuple[tuple[int, ...], type]], load: Load) -> None:
        """`row` gives shape and type of each array per block; `load` reads blocks."""
        row_bytes = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in row.values())
        self.slots = max(LEAST_SLOTS, min(total, memory_bytes // row_bytes))
        self.arrays = {name: np.zeros((self.slots, *shape), kind) for name, (shape, kind) in row.items()}
        self.slot_of = np.full(total, ABSENT, np.int32)
        self._holds = np.full(self.slots, -1, np.int64)
        self._asked = np.zeros(self.slots, np.int64)
        self._clock = 0
        self._load = load

    @property
    def nbytes(self) -> int:
        """Bytes of all slots."""
        return sum(array.nbytes for array in self.arrays.values())

    def bring(self, numbers: np.ndarray) -> None:
        """Brings blocks i64 [N] into memory, N at most half the slots, and their neighbours on the disk where room is
        free."""
        self._clock += 1
        here = self.slot_of[numbers]
        self._asked[here[here >= 0]] = self._clock
        missing = numbers[here == ABSENT]
        if not len(missing):
            return
        known, holding, arrays = self._load(missing)
        self.slot_of[known[self.slot_of[known] == ABSENT]] = VOID
        fresh = np.flatnonzero(self.slot_of[holding] < 0)
        asked_for = np.isin(holding[fresh], missing)
        fresh = np.concatenate([fresh[asked_for], fresh[~asked_for]])
        slots = self._room_for(int(asked_for.sum()), len(fresh))
        fresh, left_out = fresh[: len(slots)], fresh[len(slots) :]
        self.slot_of[holding[left_out]] = ABSENT
        self.slot_of[holding[fresh]] = slots
        self._holds[slots] = holding[fresh]
        self._asked[slots] = np.where(np.arange(len(slots)) < asked_for.sum(), self._clock, 0)
        for name, array in self.arrays.items():
            array[slots] = arrays[name][fresh]

    def _room_for(self, needed: int, welcome: int) -> np.ndarray:
        """Slots for `needed` blocks, and for up to `welcome` as far as they are free."""
        free = np.flatnonzero(self._holds < 0)[:welcome]
        if len(free) >= needed:
            return free
        taken = np.flatnonzero(self._holds >= 0)
        oldest = taken[np.argsort(self._asked[taken], kind="stable")[: needed - len(free)]]
        self.slot_of[self._holds[oldest]] = ABSENT
        return np.concatenate([free, oldest])
