"""Label evidence per voxel: k counters that never miss a frequent label."""

from __future__ import annotations

import numpy as np
from numba import njit

from mapping.fusion.rounding import HASH
from mapping.fusion.voxels import CELL, LABEL_MOST, LABELS

ID, WEIGHT, FULL = np.uint16(0x00FF), np.uint16(0xFF00), np.uint16(LABEL_MOST << 8)  # of a counter
NO_COUNTER, BEYOND = np.uint16(1), np.uint16(2)  # what may be left of evidence: all of it, what a counter cannot hold


@njit(cache=True, nogil=True)
def collect_labels(voxels, cells, starts, distances, pixels, labels, seen, arrived, numbers):
    """Adds the labels of pixels, u32 [h+2,w+2,pairs] as `PixelMaps` holds them, to the counters of the voxels that
    see them, of those listed in `cells` i64.

    `starts` i64 [N] says where in `voxels` a cell begins, in pairs of u16, `pixels` i32 [N*64] which pixels its voxels
    see, 0 for none, `distances` f32 [N*64] how far before the surface they are; `seen` u32 [N*64] and `arrived` u16
    [2*64] are to work in. `numbers` is a tuple of length k, which the compiler thus knows.

    The weighted summary of Misra and Gries (1982): a label without a counter takes an empty one; if there is none, all
    counters pay what the newcomer brings until one of them is empty. Whatever the order of arrival, a label with more
    than 1/(k+1) of all evidence keeps a counter, and no counter exceeds its true sum. Beyond the greatest weight all
    counters shrink, so that old evidence fades.
    """
    flat, pairs = labels.reshape(-1), labels.shape[2]
    for pair in range(pairs):
        _look(flat, np.uint32(pairs), np.uint32(pair), cells, pixels, seen)
        for cell in cells:
            start = 2 * starts[cell] + LABELS
            for half in range(1 + _split(seen, CELL * cell, arrived)):
                own = arrived[CELL * half : CELL * (half + 1)]
                left = _add(voxels, start, own, numbers)
                if left & NO_COUNTER:
                    _pay(voxels, start, own, numbers)
                if left & BEYOND:
                    _shrink(voxels, start, own, distances[CELL * cell : CELL * (cell + 1)], numbers)


@njit(cache=True, nogil=True)
def _look(labels, pairs, pair, cells, pixels, seen):
    for cell in cells:
        first = np.uint64(cell * CELL)
        for n in range(CELL):
            i = first + np.uint64(n)
            seen[i] = labels[np.uint32(np.uint32(pixels[i]) * pairs + pair)]


@njit(cache=True, nogil=True)
def _split(seen, first, arrived):
    """The first labels of a cell's pixels, then the second; whether there are any of these."""
    first, second = np.uint64(first), np.uint32(0)
    for n in range(CELL):
        both = seen[first + np.uint64(n)]
        arrived[n] = np.uint16(both)
        arrived[n + CELL] = np.uint16(both >> np.uint32(16))
        second |= np.uint32(both >> np.uint32(16))
    return second > 0


@njit(cache=True, nogil=True)
def _add(voxels, start, arrived, numbers):
    """Adds the labels that arrived to the counters of a cell, and leaves with them what evidence finds no room; says
    what that is. All in 16 bits: twice as many voxels at once as in 32."""
    zero, nowhere = np.uint16(0), np.uint16(len(numbers))
    start, without, beyond = np.uint64(start), zero, zero
    for n in range(CELL):
        i = np.uint64(n)
        label, evidence = np.uint16(arrived[n] & ID), np.uint16(arrived[n] & WEIGHT)
        own, vacant, target = nowhere, nowhere, zero
        for back in range(len(numbers)):
            j = len(numbers) - 1 - back
            counter = voxels[start + np.uint64(j * CELL) + i]
            own = np.uint16(j) if np.uint16(counter & ID) == label else own
            vacant = np.uint16(j) if np.uint16(counter & WEIGHT) == zero else vacant
        chosen = own if own != nowhere else vacant
        for j in range(len(numbers)):
            counter = voxels[start + np.uint64(j * CELL) + i]
            target |= np.uint16(counter & WEIGHT) if chosen == np.uint16(j) else zero
        room = np.uint16(FULL - target)
        fits = evidence if evidence < room else room
        rest = np.uint16(evidence - fits) if chosen != nowhere else evidence
        grown = np.uint16(np.uint16(target + fits) | label)
        for j in range(len(numbers)):
            counter = voxels[start + np.uint64(j * CELL) + i]
            mine = (chosen == np.uint16(j)) & (label > zero)
            voxels[start + np.uint64(j * CELL) + i] = grown if mine else counter
        arrived[n] = np.uint16(rest | label)
        without = np.uint16(without | (rest if chosen == nowhere else zero))
        beyond = np.uint16(beyond | (rest if chosen != nowhere else zero))
    return (NO_COUNTER if without > zero else zero) | (BEYOND if beyond > zero else zero)


@njit(cache=True, nogil=True)
def _pay(voxels, start, arrived, numbers):
    """Where all counters belong to other labels, they and the newcomer pay alike; it takes a counter that is empty
    then."""
    zero = np.uint16(0)
    start = np.uint64(start)
    for n in range(CELL):
        i = np.uint64(n)
        label, evidence = np.uint16(arrived[n] & ID), np.uint16(arrived[n] & WEIGHT)
        least, found = evidence, False
        for j in range(len(numbers)):
            counter = voxels[start + np.uint64(j * CELL) + i]
            weight = np.uint16(counter & WEIGHT)
            least = weight if weight < least else least
            found |= np.uint16(counter & ID) == label
        paid = zero if found else least
        rest = zero if found else np.uint16(evidence - paid)
        for j in range(len(numbers)):
            counter = np.uint16(voxels[start + np.uint64(j * CELL) + i] - paid)
            counter = counter if np.uint16(counter & WEIGHT) > zero else zero
            takes = (counter == zero) & (rest > zero)
            voxels[start + np.uint64(j * CELL) + i] = np.uint16(rest | label) if takes else counter
            rest = zero if takes else rest
        arrived[n] = arrived[n] if found else label


@njit(cache=True, nogil=True, error_model="numpy")
def _shrink(voxels, start, arrived, distances, numbers):
    """Where a counter is at the greatest weight, the others shrink by what is left of its evidence. In units of
    1/256, rounded up or down with the probability of the fraction."""
    start = np.uint64(start)
    most, zero = np.float32(LABEL_MOST), np.uint16(0)
    for n in range(CELL):
        i = np.uint64(n)
        label, above = np.uint16(arrived[n] & ID), np.int32(arrived[n] >> np.uint16(8))
        share = np.int32(np.float32(65535) * (most / np.float32(np.int32(np.int32(LABEL_MOST) + above))))
        hashed = np.int32(np.float32(distances[n]).view(np.int32) * HASH)
        chance = np.int32(np.int32(hashed >> 16) & np.int32(0xFF))
        for j in range(len(numbers)):
            counter = voxels[start + np.uint64(j * CELL) + i]
            weight = np.int32(np.uint32(np.uint32(counter & WEIGHT) * np.uint32(share)) >> np.uint32(16))
            shrunk = np.uint16(np.uint16(np.int32(weight + chance)) & WEIGHT)
            shrunk = np.uint16(shrunk | np.uint16(counter & ID)) if shrunk > zero else zero
            others = (above > np.int32(0)) & (np.uint16(counter & ID) != label)
            voxels[start + np.uint64(j * CELL) + i] = shrunk if others else counter
