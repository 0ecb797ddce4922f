"""Label evidence per voxel: k counters that never miss a frequent label."""

from __future__ import annotations

import numpy as np
from numba import njit

from mapping.fusion.rounding import chance
from mapping.fusion.voxels import CELL, LABEL_MOST, LABELS


@njit(cache=True, nogil=True)
def collect_labels(voxels, cells, starts, distances, pixels, labels, seen, numbers):
    """Adds the labels of pixels, u16 [pixels,m] as `pixel_labels` gives them, to the counters of voxels that see them.

    `starts` i64 [N] says where in `voxels` a cell begins, in pairs of u16, `pixels` i32 [N*64] which pixels its voxels
    see, 0 for none, `distances` f32 [N*64] how far before the surface they are; `cells` i64 lists those to add to;
    `seen` u16 [N*64] is to work in. `numbers` is a tuple of length k, whose length the compiler knows.

    The weighted summary of Misra and Gries (1982): a label without a counter takes an empty one; if there is none, all
    counters pay what the newcomer brings until one of them is empty. Whatever the order of arrival, a label with more
    than 1/(k+1) of all evidence keeps a counter, and no counter exceeds its true sum. Beyond the greatest weight all
    counters shrink, so that old evidence fades.
    """
    flat, m = labels.reshape(-1), labels.shape[1]
    for number in range(m):
        _look(flat, np.uint32(m), np.uint32(number), cells, pixels, seen)
        for cell in cells:
            start = 2 * starts[cell] + LABELS
            if _count(voxels, start, seen, CELL * cell, numbers):
                _shrink(voxels, start, seen, CELL * cell, distances, numbers)


@njit(cache=True, nogil=True)
def _look(labels, m, number, cells, pixels, seen):
    for cell in cells:
        first = np.uint64(cell * CELL)
        for n in range(CELL):
            i = first + np.uint64(n)
            seen[i] = labels[np.uint32(np.uint32(pixels[i]) * m + number)]


@njit(cache=True, nogil=True)
def _count(voxels, start, seen, first, numbers):
    """Adds the evidence in `seen` to the counters of a cell, and puts there what is beyond the greatest weight; says
    whether anything is. All in 16 bits: twice as many voxels at once as in 32."""
    zero, beyond = np.uint16(0), np.uint16(0)
    low, high, most = np.uint16(0x00FF), np.uint16(0xFF00), np.uint16(LABEL_MOST << 8)
    start, first = np.uint64(start), np.uint64(first)
    for n in range(CELL):
        i = np.uint64(n)
        label, evidence = np.uint16(seen[first + i] & low), np.uint16(seen[first + i] & high)
        least, found = evidence, False
        for j in range(len(numbers)):
            counter = voxels[start + np.uint64(j * CELL) + i]
            weight = np.uint16(counter & high)
            least = weight if weight < least else least
            found |= np.uint16(counter & low) == label
        paid = zero if found else least  # an empty counter has nothing to pay
        evidence = np.uint16(evidence - paid)
        above = zero
        for j in range(len(numbers)):
            counter = np.uint16(voxels[start + np.uint64(j * CELL) + i] - paid)
            counter = counter if np.uint16(counter & high) != zero else zero
            kept = np.uint16(counter & low)
            mine = ((kept == label) | ((kept == zero) & (not found))) & (evidence != zero)
            room = np.uint16(most - np.uint16(counter & high))
            more = evidence if mine else zero
            evidence = zero if mine else evidence
            fits = more if more < room else room
            above = np.uint16(above | np.uint16(more - fits))
            counter = np.uint16(np.uint16(counter & high) + fits)
            voxels[start + np.uint64(j * CELL) + i] = np.uint16(counter | (label if mine else kept))
        seen[first + i] = np.uint16(above | label)
        beyond = np.uint16(beyond | above)
    return beyond > zero


@njit(cache=True, nogil=True, error_model="numpy")
def _shrink(voxels, start, seen, first, distances, numbers):
    """Where evidence went beyond, the others shrink by as much; the counter that it belongs to is at the greatest
    weight already."""
    zero, low, eight, most = np.int32(0), np.int32(255), np.int32(8), np.int32(LABEL_MOST)
    start, first = np.uint64(start), np.uint64(first)
    for j in range(len(numbers)):
        for n in range(CELL):
            i = np.uint64(n)
            above = np.int32(np.int32(seen[first + i]) >> eight)
            label = np.int32(np.int32(seen[first + i]) & low)
            counter = np.int32(voxels[start + np.uint64(j * CELL) + i])
            weight = np.int32(counter >> eight)
            share = np.float32(most) / np.float32(np.int32(most + above))
            shrunk = np.int32(np.float32(weight) * share + chance(np.float32(distances[first + i]).view(np.int32)))
            weight = shrunk if (above > zero) & (np.int32(counter & low) != label) else weight
            kept = np.int32(counter & low) if weight > zero else zero
            voxels[start + np.uint64(j * CELL) + i] = np.uint16(kept | np.int32(weight << eight))
