"""What the compact voxels of an open submap stand for, and what of it a store keeps."""

from __future__ import annotations

import functools

import numpy as np
from numba import njit, prange

from mapping.fusion.precision import STORED_TYPES
from mapping.fusion.voxels import (
    CELL,
    CELLS,
    COLOUR,
    COLOUR_ONE,
    LABELS,
    MOST,
    TSDF,
    TSDF_ONE,
    WEIGHT,
    Units,
    voxel_order,
)
from mapping.records import BLOCK_SIZE, Blocks

_PLACES = voxel_order() @ (BLOCK_SIZE**2, BLOCK_SIZE, 1)  # of the voxels of a record in x * 64 + y * 8 + z
_CHANNEL = (1 << 10) - 1  # the bits of one channel of a colour


def to_blocks(coordinates: np.ndarray, slots: np.ndarray, records: np.ndarray, units: Units) -> Blocks:
    """Blocks of coordinates i32 [N,3] with records in `slots` i32 [N]; labels by falling weight, then rising id."""
    count, k = len(slots), (records.shape[1] // CELLS - LABELS) // CELL
    flat = (count, CELLS * CELL)
    tsdf, weight = np.empty(flat, np.float32), np.empty(flat, np.float32)
    colour = np.empty((*flat, 3), np.uint8)
    ids, evidence = np.empty((*flat, k), np.uint8), np.empty((*flat, k), np.float32)
    scales = np.float32(1 / TSDF_ONE), np.float32(units.weight), np.float32(units.label)
    _unpack(records, slots, _PLACES, scales, tsdf, weight, colour, ids, evidence)
    cube = (count, BLOCK_SIZE, BLOCK_SIZE, BLOCK_SIZE)
    return Blocks(
        index=coordinates,
        tsdf=tsdf.reshape(cube),
        weight=weight.reshape(cube),
        colour=colour.reshape(*cube, 3),
        label_ids=ids.reshape(*cube, k),
        label_weights=evidence.reshape(*cube, k),
    )


def round_to_stored(slots: np.ndarray, records: np.ndarray, units: Units) -> None:
    """Gives the records in `slots`, in place, the values that a store keeps of them, and their labels its order."""
    _round(records, slots, *_stored_values(units))


@functools.cache
def _stored_values(units: Units) -> tuple[np.ndarray, np.ndarray]:
    """What each of all tsdf and weights is once it was stored, both as u16 [65536]. Label weights are stored as they
    are: eight bits fit."""
    every = np.arange(1 << 16, dtype=np.uint16)
    tsdf = (every.view(np.int16) * np.float32(1 / TSDF_ONE)).astype(STORED_TYPES["tsdf"]).astype(np.float32)
    weight = (every * np.float32(units.weight)).astype(STORED_TYPES["weight"]).astype(np.float32)
    whole = np.rint(tsdf * TSDF_ONE).clip(-(1 << 15), (1 << 15) - 1).astype(np.int16)
    return whole.view(np.uint16), np.minimum(np.rint(weight / np.float32(units.weight)), MOST).astype(np.uint16)


@njit(cache=True, nogil=True, parallel=True)
def _unpack(records, slots, places, scales, tsdf, weight, colour, ids, evidence):
    for i in prange(len(slots)):
        _unpack_block(records[slots[i]], places, scales, tsdf[i], weight[i], colour[i], ids[i], evidence[i])


@njit(cache=True, nogil=True)
def _unpack_block(record, places, scales, tsdf, weight, colour, ids, evidence):
    words, counters = len(record) // CELLS, np.empty(ids.shape[1], np.uint16)
    for cell in range(CELLS):
        values = record[cell * words : (cell + 1) * words]
        for n in range(CELL):
            place = places[cell * CELL + n]
            tsdf[place] = np.float32(np.int16(values[TSDF + n])) * scales[0]
            weight[place] = np.float32(values[WEIGHT + n]) * scales[1]
            packed = _colour(values, n)
            for channel in range(3):
                colour[place, channel] = _level(packed, channel)
            _sort(values[LABELS + n :: CELL], counters)
            for j in range(len(counters)):
                ids[place, j], evidence[place, j] = counters[j] & 255, np.float32(counters[j] >> 8) * scales[2]


@njit(cache=True, nogil=True, parallel=True)
def _round(records, slots, stored_tsdf, stored_weight):
    for i in prange(len(slots)):
        _round_block(records[slots[i]], stored_tsdf, stored_weight)


@njit(cache=True, nogil=True)
def _round_block(record, stored_tsdf, stored_weight):
    words = len(record) // CELLS
    counters = np.empty((words - LABELS) // CELL, np.uint16)
    for cell in range(CELLS):
        values = record[cell * words : (cell + 1) * words]
        for n in range(CELL):
            values[TSDF + n] = stored_tsdf[values[TSDF + n]]
            values[WEIGHT + n] = stored_weight[values[WEIGHT + n]]
            packed, whole = _colour(values, n), np.uint32(0)
            for channel in range(3):
                whole |= np.uint32(_level(packed, channel) * COLOUR_ONE) << np.uint32(10 * channel)
            values[COLOUR + 2 * n], values[COLOUR + 2 * n + 1] = whole & np.uint32(0xFFFF), whole >> np.uint32(16)
            labels = values[LABELS + n :: CELL]
            _sort(labels, counters)
            labels[:] = counters


@njit(cache=True, nogil=True, inline="always")
def _colour(values, n):
    """Three channels of ten bits: the low half of a colour comes first, as on every machine that numba has."""
    return np.uint32(values[COLOUR + 2 * n]) | np.uint32(values[COLOUR + 2 * n + 1]) << np.uint32(16)


@njit(cache=True, nogil=True, inline="always")
def _level(packed, channel):
    value = np.int64(packed >> np.uint32(10 * channel)) & _CHANNEL
    return min((value + COLOUR_ONE // 2) // COLOUR_ONE, 255)


@njit(cache=True, nogil=True)
def _sort(counters, ordered):
    """Puts a voxel's counters into `ordered`, by falling weight, then rising id."""
    for j in range(len(counters)):
        at = j
        while at > 0 and _rank(ordered[at - 1]) < _rank(counters[j]):
            ordered[at] = ordered[at - 1]
            at -= 1
        ordered[at] = counters[j]


@njit(cache=True, nogil=True, inline="always")
def _rank(counter):
    return np.int64(counter) & 0xFF00 | 255 - (np.int64(counter) & 255) if counter > 0 else 0
