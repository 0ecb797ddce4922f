"""The voxel update: one pass over the blocks in view does tsdf, weight, colour and labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from mapping.records import BLOCK_SIZE

VOXELS = BLOCK_SIZE**3
COLOUR_ONE = 256  # a colour level in fixed point: running averages need a fraction


class VoxelArrays(NamedTuple):
    """Voxels of all blocks. Voxel [x,y,z] of a block is number x * 64 + y * 8 + z."""

    tsdf: np.ndarray  # f32 [N,512] fraction of the truncation
    weight: np.ndarray  # f32 [N,512]
    colour: np.ndarray  # u16 [N,512,3] levels times COLOUR_ONE
    label_ids: np.ndarray  # u8 [N,512,k]
    label_weights: np.ndarray  # f32 [N,512,k]


class FrameArrays(NamedTuple):
    """What a voxel reads from a frame; pixel (row, column) is number row * w + column. m = 0: no labels."""

    records: np.ndarray  # f32 [h*w+1,4] as in PixelMaps
    image: np.ndarray  # u8 [h*w,3]
    label_ids: np.ndarray  # u8 [h*w,m]
    label_probabilities: np.ndarray  # f32 [h*w,m]


class Projection(NamedTuple):
    """From grid to pixels."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    R_grid_cam: np.ndarray  # f64 [3,3]
    t_grid_cam: np.ndarray  # f64 [3] m


class VoxelRules(NamedTuple):
    voxel_size_m: float
    truncation_m: float
    max_weight: float
    label_band_m: float
    free_space_weight: float


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")
def integrate_blocks(coordinates, slots, voxels, frame, projection, rules):
    """Updates blocks i32 [C,3] that live in `slots` i32 [C], all different; gives i32 [C], voxels updated in each.

    A voxel reads the pixel it projects to, whose slope carries depth from the pixel's centre to where the voxel falls.
    It is updated where it lies within the truncation of that depth, along the optical axis (projective distance;
    Curless and Levoy 1996, weighted running average). In blocks with such voxels, those in front of the band become
    freer; this takes away what flew before a surface or what a worse pose put there. Other blocks are left as they are.
    """
    updated = np.zeros(len(coordinates), np.int32)
    for i in prange(len(coordinates)):
        pixels = np.empty(VOXELS, np.int32)
        distance = np.empty(VOXELS, np.float32)
        du = np.empty(VOXELS, np.float32)
        dv = np.empty(VOXELS, np.float32)
        z = np.empty(VOXELS, np.float32)
        _project(coordinates[i], projection, rules.voxel_size_m, pixels, du, dv, z)
        _measure(frame.records, pixels, du, dv, z, distance)
        hits = np.empty(VOXELS, np.int32)
        count = _in_band(distance, np.float32(rules.truncation_m), hits)
        _average(slots[i], hits[:count], 1.0, pixels, distance, voxels, frame, rules)
        if frame.label_ids.shape[1] > 0:
            _collect_labels(slots[i], hits[:count], pixels, distance, voxels, frame, rules)
        if count > 0 and rules.free_space_weight > 0:
            free = _in_front(distance, np.float32(rules.truncation_m), hits)
            _average(slots[i], hits[:free], rules.free_space_weight, pixels, distance, voxels, frame, rules)
        updated[i] = count
    return updated


@njit(cache=True, nogil=True, error_model="numpy")
def _project(block, projection, voxel, pixels, du, dv, z):
    """For every voxel of a block: its pixel, where in the pixel it falls, its depth; all in loops that become vector
    code."""
    fx, fy, cx, cy, w, h, R, t = projection
    r00, r01, r02 = R[0]
    r10, r11, r12 = R[1]
    r20, r21, r22 = R[2]
    x0 = block[0] * BLOCK_SIZE * voxel - t[0]
    y0 = block[1] * BLOCK_SIZE * voxel - t[1]
    z0 = block[2] * BLOCK_SIZE * voxel - t[2]
    for n in range(VOXELS):
        px = x0 + (n >> 6) * voxel
        py = y0 + ((n >> 3) & 7) * voxel
        pz = z0 + (n & 7) * voxel
        depth = r02 * px + r12 * py + r22 * pz
        inverse = 1.0 / depth if depth > 0.0 else np.nan
        u = (r00 * px + r10 * py + r20 * pz) * inverse * fx + cx
        v = (r01 * px + r11 * py + r21 * pz) * inverse * fy + cy
        inside = (u >= -0.5) & (u < w - 0.5) & (v >= -0.5) & (v < h - 0.5)
        column = np.int32((u if inside else 0.0) + 0.5)
        row = np.int32((v if inside else 0.0) + 0.5)
        pixels[n] = row * w + column if inside else w * h
        du[n] = u - column
        dv[n] = v - row
        z[n] = depth


@njit(cache=True, nogil=True, error_model="numpy")
def _measure(records, pixels, du, dv, z, distance):
    """Distance in metres from every voxel to the depth of its pixel, along the optical axis; NaN for none."""
    for n in range(VOXELS):
        p = np.uint32(pixels[n])
        distance[n] = records[p, 0] + records[p, 1] * du[n] + records[p, 2] * dv[n] - z[n]


@njit(cache=True, nogil=True, error_model="numpy")
def _in_band(distance, truncation, hits):
    """Collects the voxels within the truncation and gives their number."""
    count = 0
    for n in range(VOXELS):
        hits[count] = n
        count += abs(distance[n]) <= truncation  # no branch: it would be predicted wrongly too often
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def _in_front(distance, truncation, hits):
    """Collects the voxels before the band and gives their number."""
    count = 0
    for n in range(VOXELS):
        hits[count] = n
        count += distance[n] > truncation
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def _average(slot, hits, weight, pixels, distance, voxels, frame, rules):
    per_truncation = np.float32(1.0 / rules.truncation_m)
    for n in hits:
        pixel = pixels[n]
        new = frame.records[pixel, 3] * np.float32(weight)
        total = voxels.weight[slot, n] + new
        share = new / total
        voxels.tsdf[slot, n] += (min(distance[n] * per_truncation, np.float32(1)) - voxels.tsdf[slot, n]) * share
        voxels.weight[slot, n] = min(total, np.float32(rules.max_weight))
        for channel in range(3):
            level = np.float32(voxels.colour[slot, n, channel])
            level += (np.float32(frame.image[pixel, channel]) * np.float32(COLOUR_ONE) - level) * share
            voxels.colour[slot, n, channel] = np.uint16(level + np.float32(0.5))


@njit(cache=True, nogil=True, error_model="numpy")
def _collect_labels(slot, hits, pixels, distance, voxels, frame, rules):
    for n in hits:
        if abs(distance[n]) <= rules.label_band_m:
            pixel = pixels[n]
            for m in range(frame.label_ids.shape[1]):
                evidence = frame.records[pixel, 3] * frame.label_probabilities[pixel, m]
                if frame.label_ids[pixel, m] > 0 and evidence > 0:
                    _add_label(frame.label_ids[pixel, m], evidence, slot, n, voxels, np.float32(rules.max_weight))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _add_label(label, evidence, slot, n, voxels, max_weight):
    """Adds evidence for a label to a voxel's k counters: the weighted summary of Misra and Gries (1982).

    A label without a counter takes an empty one; if there is none, all counters pay what the newcomer brings until one
    of them is empty. Whatever the order of arrival, a label with more than 1/(k+1) of all evidence keeps a counter,
    and no counter exceeds its true sum. Beyond max_weight all counters shrink, so that old evidence fades.
    """
    ids = voxels.label_ids
    weights = voxels.label_weights
    k = ids.shape[2]
    place = -1
    empty = -1
    for j in range(k):
        if ids[slot, n, j] == label:
            place = j
            break
        if ids[slot, n, j] == 0 and empty < 0:
            empty = j
    if place < 0 and empty < 0:
        paid = evidence
        for j in range(k):
            paid = min(paid, weights[slot, n, j])
        evidence -= paid
        for j in range(k):
            weights[slot, n, j] -= paid
            if weights[slot, n, j] <= 0:
                weights[slot, n, j] = 0
                ids[slot, n, j] = 0
                empty = j if empty < 0 else empty
    if place < 0 and evidence > 0:
        place = empty
        ids[slot, n, place] = label
    if place >= 0:
        weights[slot, n, place] += evidence
        if weights[slot, n, place] > max_weight:
            shrink = max_weight / weights[slot, n, place]
            for j in range(k):
                weights[slot, n, j] *= shrink


@njit(cache=True, nogil=True, parallel=True)
def order_labels(ids, weights):
    """Sorts the counters of each voxel, ids u8 [N,512,k] and weights f32 [N,512,k], by falling weight, then rising
    id."""
    for i in prange(ids.shape[0]):
        for n in range(ids.shape[1]):
            for j in range(ids.shape[2]):
                if weights[i, n, j] <= 0.0:
                    ids[i, n, j] = 0
                    weights[i, n, j] = 0.0
            for j in range(1, ids.shape[2]):
                m = j
                while m > 0 and _before(ids[i, n], weights[i, n], m, m - 1):
                    ids[i, n, m], ids[i, n, m - 1] = ids[i, n, m - 1], ids[i, n, m]
                    weights[i, n, m], weights[i, n, m - 1] = weights[i, n, m - 1], weights[i, n, m]
                    m -= 1


@njit(cache=True, nogil=True, inline="always")
def _before(ids, weights, a, b):
    if weights[a] != weights[b]:
        return weights[a] > weights[b]
    return ids[a] != 0 and (ids[b] == 0 or ids[a] < ids[b])


def empty_voxels(blocks: int, labels: int) -> VoxelArrays:
    return VoxelArrays(
        np.zeros((blocks, VOXELS), np.float32),
        np.zeros((blocks, VOXELS), np.float32),
        np.zeros((blocks, VOXELS, 3), np.uint16),
        np.zeros((blocks, VOXELS, labels), np.uint8),
        np.zeros((blocks, VOXELS, labels), np.float32),
    )
