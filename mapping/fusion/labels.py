"""Label evidence per voxel: k counters that never miss a frequent label."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from mapping.fusion.observation import DepthObservation
from mapping.fusion.voxels import CELL, CELLS, LABEL_MOST, VOXELS


class PixelLabels(NamedTuple):
    """The m labels of every pixel, pixel by pixel."""

    ids: np.ndarray  # u8 [h*w*m]
    probabilities: np.ndarray  # f32 [h*w*m], or [0]: every label counts fully
    m: int


def pixel_labels(observation: DepthObservation) -> PixelLabels:
    """The labels of an observation."""
    ids, probabilities = observation.label_ids, observation.label_probabilities
    nothing = np.empty(0, np.float32)
    if ids is None:
        return PixelLabels(np.empty(0, np.uint8), nothing, 0)
    return PixelLabels(
        np.ascontiguousarray(ids).reshape(-1),
        nothing if probabilities is None else np.ascontiguousarray(probabilities, np.float32).reshape(-1),
        ids.shape[2],
    )


@njit(cache=True, nogil=True, error_model="numpy")
def collect_labels(counters, numbers, labels, pixels, pixel_weight, lanes, band, per_unit, seen):
    """Adds the labels that a block's voxels see to its counters u16 [k*512].

    `numbers` is a tuple of length k, whose length the compiler knows. `pixels` i32 [512] are where the voxels look,
    `pixel_weight` f32 [1024] the weight that voxel n sees at 2n, of which `per_unit` make a unit of label weight;
    `lanes` f32 [3*512] distance, room to work in, chance; `seen` u16 [3*512] is to work in.

    The weighted summary of Misra and Gries (1982): a label without a counter takes an empty one; if there is none, all
    counters pay what the newcomer brings until one of them is empty. Whatever the order of arrival, a label with more
    than 1/(k+1) of all evidence keeps a counter, and no counter exceeds its true sum. Evidence is rounded up or down
    with the probability of its fraction. Beyond the greatest weight all counters shrink, so that old evidence fades.
    Cells of a block without a voxel in the band are passed over.
    """
    near, due, over = np.empty(CELLS, np.uint8), np.empty(CELLS, np.uint8), np.empty(CELLS, np.uint8)
    if _find_near(lanes, band, near) == 0:
        return
    for number in range(labels.m):
        _look(labels, number, pixels, pixel_weight, near, lanes, seen)
        turn = np.float32(0.5) if number & 1 else np.float32(0)  # the second label of a pixel takes another chance
        _evidence(lanes, band, np.float32(1 / per_unit), turn, near, seen, due)
        if _count(counters, numbers, seen, due, over) > 0:
            for first in range(0, len(counters), VOXELS):
                _shrink(counters[first : first + VOXELS], seen, lanes, over)


@njit(cache=True, nogil=True, error_model="numpy")
def _find_near(lanes, band, near):
    """Says which cells have voxels in the band; gives 0 where none has."""
    any_near = np.uint8(0)
    for cell in range(CELLS):
        found = np.int32(0)
        for n in range(cell * CELL, cell * CELL + CELL):
            found |= np.int32(abs(lanes[n]) <= band)
        near[cell] = found
        any_near |= near[cell]
    return any_near


@njit(cache=True, nogil=True, error_model="numpy")
def _look(labels, number, pixels, pixel_weight, near, lanes, seen):
    """Puts label `number` of the pixels that voxels see into `seen`, and its weight into the room in `lanes`."""
    m, number = np.uint32(labels.m), np.uint32(number)
    for cell in range(CELLS):
        if near[cell] == 0:
            continue
        for n in range(cell * CELL, cell * CELL + CELL):
            place = np.uint32(np.uint32(pixels[n]) * m + number)
            seen[n] = labels.ids[place]
            probability = labels.probabilities[place] if len(labels.probabilities) > 0 else np.float32(1)
            lanes[n + VOXELS] = pixel_weight[2 * n] * min(max(probability, np.float32(0)), np.float32(1))


@njit(cache=True, nogil=True, error_model="numpy")
def _evidence(lanes, band, scale, turn, near, seen, due):
    """Puts each voxel's evidence, in units of the high byte, beside its label in `seen`. Says which cells have some."""
    zero, one, most = np.float32(0), np.float32(1), np.float32(LABEL_MOST)
    for cell in range(CELLS):
        due[cell] = 0
        if near[cell] == 0:
            continue
        some = np.int32(0)
        for n in range(cell * CELL, cell * CELL + CELL):
            chance = lanes[n + 2 * VOXELS] + turn
            chance = chance if chance < one else chance - one
            units = lanes[n + VOXELS] * scale + chance
            units = units if units < most else most
            units = units if (abs(lanes[n]) <= band) & (seen[n] > 0) else zero
            evidence = np.int32(units)
            seen[n + VOXELS] = np.uint16(np.int32(evidence << np.int32(8)))
            some = np.int32(some | evidence)
        due[cell] = some > 0


@njit(cache=True, nogil=True, error_model="numpy")
def _count(counters, numbers, seen, due, over):
    """Adds the evidence in `seen`, and puts there what is beyond the greatest weight; says in which cells, and gives
    0 where in none.

    All in 16 bits: twice as many voxels at once as in 32.
    """
    zero, beyond = np.uint16(0), np.uint16(0)
    low, high, most = np.uint16(0x00FF), np.uint16(0xFF00), np.uint16(LABEL_MOST << 8)
    for cell in range(CELLS):
        over[cell] = 0
        if due[cell] == 0:
            continue
        any_above = zero
        for n in range(cell * CELL, cell * CELL + CELL):
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
            any_above = np.uint16(any_above | above)
        over[cell] = any_above > zero
        beyond = np.uint16(beyond | any_above)
    return beyond


@njit(cache=True, nogil=True, error_model="numpy")
def _shrink(counters, seen, lanes, over):
    zero, low, eight, most = np.int32(0), np.int32(255), np.int32(8), np.int32(LABEL_MOST)
    for cell in range(CELLS):
        if over[cell] == 0:
            continue
        for n in range(cell * CELL, cell * CELL + CELL):
            above = np.int32(np.int32(seen[n + 2 * VOXELS]) >> eight)
            counter = np.int32(counters[n])
            weight = np.int32(counter >> eight)
            share = np.float32(most) / np.float32(np.int32(most + above))
            shrunk = np.int32(np.float32(weight) * share + lanes[n + 2 * VOXELS])
            # the counter that went beyond is at the greatest weight already
            weight = shrunk if (above > zero) & (np.int32(counter & low) != np.int32(seen[n])) else weight
            kept = np.int32(counter & low) if weight > zero else zero
            counters[n] = np.uint16(kept | np.int32(weight << eight))
