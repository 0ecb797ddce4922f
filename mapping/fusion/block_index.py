"""A hash table from block coordinates to slots in the voxel arrays, with open addressing; nothing is ever removed."""

from __future__ import annotations

import numpy as np
from numba import njit

from mapping.records import BLOCK_SIZE
from streammtl.errors import GeometryError

REACH = 1 << 20  # block coordinates lie in [-REACH, REACH): 21 bits each make one 63-bit key
EMPTY = np.int64(-1)


class BlockIndex:
    """Maps block coordinates [x,y,z] to the order in which they were added: 0, 1, 2, ..."""

    def __init__(self, expected: int = 1 << 11) -> None:
        """With room for so many blocks; it grows when there are more."""
        size = 1 << max(12, int(2 * expected - 1).bit_length())
        self._keys = np.full(size, EMPTY)
        self._slots = np.zeros(size, np.int32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        return self._keys.nbytes + self._slots.nbytes

    @property
    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """What `find_one` takes, for loops that look blocks up one by one; valid until the next `add`."""
        return self._keys, self._slots

    def find(self, coordinates: np.ndarray) -> np.ndarray:
        """Slots i32 [N] of block coordinates i32 [N,3]; -1 for blocks that are not there."""
        return _find(self._keys, self._slots, coordinates)

    def add(self, coordinates: np.ndarray) -> None:
        """Adds blocks i32 [N,3] that are not there yet; they get the next N slots.

        Raises: GeometryError for coordinates out of reach.
        """
        check_reach(coordinates)
        while 2 * (self._count + len(coordinates)) > len(self._keys):
            self._grow()
        _insert(self._keys, self._slots, coordinates, self._count)
        self._count += len(coordinates)

    def _grow(self) -> None:
        keys, slots = np.full(2 * len(self._keys), EMPTY), np.zeros(2 * len(self._keys), np.int32)
        _rehash(self._keys, self._slots, keys, slots)
        self._keys, self._slots = keys, slots


def check_reach(coordinates: np.ndarray) -> None:
    """Raises GeometryError for block coordinates that no key can hold."""
    if len(coordinates) and (coordinates.min() < -REACH or coordinates.max() >= REACH):
        raise GeometryError(
            f"a block at {np.abs(coordinates).max() * BLOCK_SIZE} voxels from the origin is out of the grid's reach of "
            f"{REACH * BLOCK_SIZE}; start a submap nearer to the camera, or use larger voxels."
        )


def unique_blocks(coordinates: np.ndarray) -> np.ndarray:
    """The distinct rows of block coordinates i32 [N,3], in the order of their first appearance."""
    size = 1 << max(4, int(2 * len(coordinates) - 1).bit_length())
    return coordinates[_first_appearances(np.full(size, EMPTY), coordinates)]


@njit(cache=True, nogil=True, inline="always")
def _key(x, y, z):
    return ((np.int64(x) + REACH) << 42) | ((np.int64(y) + REACH) << 21) | (np.int64(z) + REACH)


@njit(cache=True, nogil=True, inline="always")
def _place(keys, key):
    """The place of `key` in the table, or the empty place where it belongs. The mixing is the finaliser of
    splitmix64."""
    mixed = np.uint64(key)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mask = np.int64(len(keys) - 1)
    place = np.int64(mixed >> np.uint64(31)) & mask
    while keys[place] != EMPTY and keys[place] != key:
        place = (place + 1) & mask
    return place


@njit(cache=True, nogil=True)
def find_one(keys, slots, x, y, z):
    """The slot of one block, -1 when it is not there."""
    place = _place(keys, _key(x, y, z))
    return slots[place] if keys[place] != EMPTY else np.int32(-1)


@njit(cache=True, nogil=True)
def _find(keys, slots, coordinates):
    found = np.empty(len(coordinates), np.int32)
    for i in range(len(coordinates)):
        place = _place(keys, _key(coordinates[i, 0], coordinates[i, 1], coordinates[i, 2]))
        found[i] = slots[place] if keys[place] != EMPTY else -1
    return found


@njit(cache=True, nogil=True)
def _insert(keys, slots, coordinates, first_slot):
    for i in range(len(coordinates)):
        key = _key(coordinates[i, 0], coordinates[i, 1], coordinates[i, 2])
        place = _place(keys, key)
        keys[place] = key
        slots[place] = first_slot + i


@njit(cache=True, nogil=True)
def _rehash(old_keys, old_slots, keys, slots):
    for i in range(len(old_keys)):
        if old_keys[i] != EMPTY:
            place = _place(keys, old_keys[i])
            keys[place] = old_keys[i]
            slots[place] = old_slots[i]


@njit(cache=True, nogil=True)
def _first_appearances(keys, coordinates):
    first = np.empty(len(coordinates), np.int64)
    count = 0
    for i in range(len(coordinates)):
        key = _key(coordinates[i, 0], coordinates[i, 1], coordinates[i, 2])
        place = _place(keys, key)
        if keys[place] == EMPTY:
            keys[place] = key
            first[count] = i
            count += 1
    return first[:count]
