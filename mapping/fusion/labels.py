"""Label evidence per voxel: k counters that never miss a frequent label."""

from __future__ import annotations

import numpy as np
from numba import njit

from mapping.fusion.voxels import LABEL_MOST, VOXELS

PROBABILITY_ONE = (1 << 16) - 1  # a probability of 1 as a pixel holds it


@njit(cache=True, nogil=True, error_model="numpy")
def pack_labels(ids, probabilities, count, out):
    """Two labels of each pixel of a line in a u64, each its id in 8 bits and its probability in 16 above.

    ids u8 [w*m], probabilities f32 [w*m], out u64 [(m+1)/2,w]; `count` is a tuple of length m, whose length the
    compiler knows.
    """
    m, whole = len(count), np.float32(PROBABILITY_ONE)
    for pair in range(out.shape[0]):
        line, first = out[pair], 2 * pair
        second = min(first + 1, m - 1)
        both = np.float32(PROBABILITY_ONE if second > first else 0)
        for u in range(len(line)):
            low = _packed(ids[m * u + first], probabilities[m * u + first], whole)
            high = _packed(ids[m * u + second], probabilities[m * u + second], both)
            line[u] = np.uint64(low) | np.uint64(high) << np.uint64(32)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _packed(label, probability, whole):
    units = probability * whole + np.float32(0.5)
    units = units if units < whole else whole
    units = units if units > np.float32(0) else np.float32(0)
    return np.uint32(np.uint32(label) | np.uint32(np.int32(np.int32(units) << 8)))


@njit(cache=True, nogil=True, error_model="numpy")
def collect_labels(counters, numbers, words, pixel_weight, lanes, band, per_unit, seen):
    """Adds the labels that a block's voxels see to its counters u16 [k*512].

    `numbers` is a tuple of length k, whose length the compiler knows. `words` i32 [1024] holds two labels for each
    voxel as `pack_labels` packs them, `pixel_weight` f32 [1024] the weight that voxel n sees at 2n, of which
    `per_unit` make a unit of label weight; `lanes` f32 [3*512] distance, something else, chance; `seen` u16 [3*512] is
    to work in.

    The weighted summary of Misra and Gries (1982): a label without a counter takes an empty one; if there is none, all
    counters pay what the newcomer brings until one of them is empty. Whatever the order of arrival, a label with more
    than 1/(k+1) of all evidence keeps a counter, and no counter exceeds its true sum. Evidence is rounded up or down
    with the probability of its fraction. Beyond the greatest weight all counters shrink, so that old evidence fades.
    """
    scale = np.float32(1 / (PROBABILITY_ONE * per_unit))
    for half in range(2):
        if _evidence(words[half:], pixel_weight, lanes, band, scale, np.float32(half), seen) == 0:
            continue
        if _count(counters, numbers, seen) > 0:
            for first in range(0, len(counters), VOXELS):
                _shrink(counters[first : first + VOXELS], seen, lanes)


@njit(cache=True, nogil=True, error_model="numpy")
def _evidence(words, pixel_weight, lanes, band, scale, half, seen):
    """Puts each voxel's label and its evidence, in units of the high byte, into `seen`. Gives 0 where there is none."""
    some, zero, one, most = np.int32(0), np.int32(0), np.float32(1), np.float32(LABEL_MOST)
    turn = half * np.float32(0.5)  # the second label of a pixel takes another chance
    for n in range(VOXELS):
        word = words[2 * n]
        label = np.int32(word & np.int32(255))
        chance = lanes[n + 2 * VOXELS] + turn
        chance = chance if chance < one else chance - one
        units = pixel_weight[2 * n] * np.float32(np.int32(word >> np.int32(8))) * scale + chance
        units = units if units < most else most
        units = units if (abs(lanes[n]) <= band) & (label > zero) else np.float32(0)
        evidence = np.int32(units)
        seen[n] = np.uint16(label)
        seen[n + VOXELS] = np.uint16(np.int32(evidence << np.int32(8)))
        some = np.int32(some | evidence)
    return some


@njit(cache=True, nogil=True, error_model="numpy")
def _count(counters, numbers, seen):
    """Adds the evidence in `seen`, and puts there what is beyond the greatest weight; gives 0 where nothing is.

    All in 16 bits: twice as many voxels at once as in 32.
    """
    zero, over = np.uint16(0), np.uint16(0)
    low, high, most = np.uint16(0x00FF), np.uint16(0xFF00), np.uint16(LABEL_MOST << 8)
    for n in range(VOXELS):
        label, evidence = seen[n], seen[n + VOXELS]
        least, found = evidence, False
        for j in range(len(numbers)):
            counter = counters[n + j * VOXELS]
            weight = np.uint16(counter & high)
            least = weight if weight < least else least
            found |= np.uint16(counter & low) == label
        paid = zero if found else least  # an empty counter has nothing to pay
        evidence = np.uint16(evidence - paid)
        above = zero
        for j in range(len(numbers)):
            counter = np.uint16(counters[n + j * VOXELS] - paid)
            counter = counter if np.uint16(counter & high) != zero else zero
            kept = np.uint16(counter & low)
            mine = ((kept == label) | ((kept == zero) & (not found))) & (evidence != zero)
            room = np.uint16(most - np.uint16(counter & high))
            more = evidence if mine else zero
            evidence = zero if mine else evidence
            fits = more if more < room else room
            above = np.uint16(above | np.uint16(more - fits))
            counter = np.uint16(np.uint16(counter & high) + fits)
            counters[n + j * VOXELS] = np.uint16(counter | (label if mine else kept))
        seen[n + 2 * VOXELS] = above
        over = np.uint16(over | above)
    return over


@njit(cache=True, nogil=True, error_model="numpy")
def _shrink(counters, seen, lanes):
    zero, low, eight, most = np.int32(0), np.int32(255), np.int32(8), np.int32(LABEL_MOST)
    for n in range(VOXELS):
        above = np.int32(np.int32(seen[n + 2 * VOXELS]) >> eight)
        counter = np.int32(counters[n])
        weight = np.int32(counter >> eight)
        share = np.float32(most) / np.float32(np.int32(most + above))
        shrunk = np.int32(np.float32(weight) * share + lanes[n + 2 * VOXELS])
        # the counter that went beyond is at the greatest weight already
        weight = shrunk if (above > zero) & (np.int32(counter & low) != np.int32(seen[n])) else weight
        kept = np.int32(counter & low) if weight > zero else zero
        counters[n] = np.uint16(kept | np.int32(weight << eight))
