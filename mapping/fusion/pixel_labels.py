"""The labels of pixels, as voxels count them."""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np
from numba import njit

from mapping.fusion.observation import DepthObservation
from mapping.fusion.rounding import chance
from mapping.fusion.settings import FusionSettings
from mapping.fusion.voxels import LABEL_MOST, units_of

FEW = 4  # up to that many labels a pixel have code of their own


class LabelLines(NamedTuple):
    """The m labels of every pixel, line by line; no line where a frame has none."""

    ids: np.ndarray  # u8 [h,w*m]
    probabilities: np.ndarray  # f32 [h,w*m]; no line: every label counts fully
    per_label: float  # units of a label's weight in one of a voxel's
    seed: int


def label_lines(observation: DepthObservation, settings: FusionSettings) -> LabelLines:
    """The labels of an observation as its lines of pixels take them."""
    ids, probabilities = observation.label_ids, observation.label_probabilities
    units, none = units_of(settings), np.empty((0, 0))
    h = 0 if ids is None else len(ids)
    return LabelLines(
        np.ascontiguousarray(none if ids is None else ids.reshape(h, -1), np.uint8),
        np.ascontiguousarray(none if probabilities is None else probabilities.reshape(h, -1), np.float32),
        units.weight / units.label,
        zlib.crc32(np.ascontiguousarray(observation.T_submap_cam).tobytes()),
    )


def numbers_of(observation: DepthObservation) -> tuple[int, ...]:
    """As many as a pixel has labels, where these are few: a tuple, whose length the compiler knows."""
    m = 0 if observation.label_ids is None else observation.label_ids.shape[2]
    return tuple(range(m)) if m <= FEW else ()


@njit(cache=True, nogil=True, error_model="numpy")
def pack_labels(ids, probabilities, depth, weights, per_label, line_bits, numbers, out):
    """The labels of a line of pixels, padded to an even number each: u16, id in the low byte, evidence in the high one,
    in units of label weight.

    Evidence is the pixel's weight times the label's probability, rounded up or down with the probability of its
    fraction; depth, place and pose decide, so that the same input gives the same result.
    """
    m = len(numbers) if len(numbers) > 0 else len(ids) // len(depth)  # for vector code the compiler has to know it
    words = m + (m & 1)
    zero, one, most = np.float32(0), np.float32(1), np.float32(LABEL_MOST)
    for u in range(len(depth)):
        bits = np.int32(np.float32(depth[u]).view(np.int32) + np.int32(line_bits + np.int32(u)))
        weight = weights[u] * np.float32(per_label)
        for j in range(m):
            share = one
            if len(probabilities) > 0:
                share = probabilities[m * u + j]
                share = share if share > zero else zero
                share = share if share < one else one
            units = weight * share + chance(np.int32(bits + np.int32(j << 22)))  # the second label turns by a half
            evidence = np.int32(units if units < most else most)
            label = np.int32(ids[m * u + j])
            some = (evidence > 0) & (label > 0)
            out[words * u + j] = np.uint16(np.int32(evidence << np.int32(8)) | label if some else np.int32(0))
        if words > m:
            out[words * u + m] = np.uint16(0)
