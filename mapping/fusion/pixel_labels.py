"""The labels of pixels, as voxels count them."""

from __future__ import annotations

import zlib

import numpy as np
from numba import njit, prange

from mapping.fusion.observation import DepthObservation
from mapping.fusion.pixels import PixelMaps
from mapping.fusion.rounding import chance
from mapping.fusion.settings import FusionSettings
from mapping.fusion.voxels import LABEL_MOST, units_of

FEW = 4  # up to that many labels a pixel have code of their own


def pixel_labels(observation: DepthObservation, settings: FusionSettings, maps: PixelMaps) -> np.ndarray:
    """The m labels of every pixel on the grid of `maps`, u32 [h+2,w+2,ceil(m/2)]: two u16 each, id in the low byte,
    evidence in the high one, in units of label weight. None in the border.

    Evidence is the pixel's weight times the label's probability, rounded up or down with the probability of its
    fraction; depth, place and pose decide, so that the same input gives the same result.
    """
    ids, probabilities = observation.label_ids, observation.label_probabilities
    if ids is None:
        return np.empty((*maps.content.shape, 0), np.uint32)
    h, w, m = ids.shape
    units = units_of(settings)
    labels = np.empty((h + 2, w + 2, (m + 1) // 2), np.uint32)
    _pack(
        np.ascontiguousarray(ids).reshape(h, -1),
        _lines(np.empty((0, 0)) if probabilities is None else probabilities.reshape(h, -1)),
        _lines(observation.depth_m),
        maps.content.view(np.float32),
        units.weight / units.label,
        zlib.crc32(np.ascontiguousarray(observation.T_submap_cam).tobytes()),
        tuple(range(m)) if m <= FEW else (),
        labels.view(np.uint16).reshape(h + 2, -1),
    )
    return labels


def _lines(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32)


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")
def _pack(ids, probabilities, depth, weights, per_label, seed, numbers, labels):
    h, w = depth.shape
    words = labels.shape[1] // (w + 2)
    labels[0], labels[h + 1] = 0, 0
    for v in prange(h):
        line, line_weights = labels[v + 1], weights[v + 1, 2 : 2 * w + 2]
        line[:words], line[len(line) - words :] = 0, 0
        shares = probabilities[v] if len(probabilities) > 0 else depth[v, :0]
        bits = np.int32(seed + v * 0x3C6EF35F)  # an odd number: lines take other chances than their neighbours
        _pack_line(ids[v], shares, depth[v], line_weights, per_label, bits, numbers, line[words : len(line) - words])


@njit(cache=True, nogil=True, error_model="numpy")
def _pack_line(ids, probabilities, depth, weights, per_label, line_bits, numbers, out):
    m = len(numbers) if len(numbers) > 0 else len(ids) // len(depth)  # for vector code the compiler has to know it
    words = m + (m & 1)
    zero, one, most = np.float32(0), np.float32(1), np.float32(LABEL_MOST)
    for u in range(len(depth)):
        bits = np.int32(np.float32(depth[u]).view(np.int32) + np.int32(line_bits + np.int32(u)))
        weight = weights[2 * u] * np.float32(per_label)
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
