"""What every pixel of an observation contributes: depth with its slope, and a weight; and where depth lies per tile."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit, prange

from mapping.fusion.observation import DepthObservation
from mapping.fusion.settings import FusionSettings

TILE = 12  # pixels along each side of a tile
DEPTH_BINS = 64  # bits of a tile's occupancy


class Intrinsics(NamedTuple):
    fx: float
    fy: float
    cx: float
    cy: float


class PixelRules(NamedTuple):
    """The settings that a pixel's weight depends on."""

    near_m: float
    far_m: float
    truncation_m: float
    min_confidence: float
    boundary_threshold: float
    cosine_floor: float
    max_weight: float


class PixelMaps(NamedTuple):
    """Per pixel: depth, its slope along u and v, weight. Per tile: the depths its bands cover, as range and bins."""

    records: np.ndarray  # f32 [h*w+1,4] m, m/px, m/px, weight; NaN depth = not used; the last one stands for "outside"
    tile_near: np.ndarray  # f32 [th,tw] m
    tile_far: np.ndarray  # f32 [th,tw] m; below tile_near where a tile holds nothing
    tile_bins: np.ndarray  # u64 [th,tw] bit b: some pixel's band meets depth first_bin_m + [b, b+1) * bin_m
    first_bin_m: float
    bin_m: float
    tile: int  # TILE, for kernels of other files: numba would keep an old value of it in their compiled form


def weigh_pixels(observation: DepthObservation, settings: FusionSettings) -> PixelMaps:
    """Weights every pixel: confidence * cos(normal, view) * (1 - boundary) / z^2, 1 for a sure frontal pixel at 1 m.

    The cosine comes from the normals given, else from the slope of depth itself; it is kept above a floor, which
    pixels without neighbours at a similar depth get. The slope lets a voxel read depth between pixel centres without
    crossing a depth step.
    """
    rules = PixelRules(
        settings.near_m,
        settings.far_m,
        settings.truncation_m,
        settings.min_confidence,
        settings.boundary_threshold,
        settings.cosine_floor,
        settings.max_pixel_weight,
    )
    camera = observation.camera
    h, w = observation.depth_m.shape
    tiles = (-(-h // TILE), -(-w // TILE))
    first_bin_m = settings.near_m - settings.truncation_m
    maps = PixelMaps(
        np.full((h * w + 1, 4), np.nan, np.float32),
        np.empty(tiles, np.float32),
        np.empty(tiles, np.float32),
        np.empty(tiles, np.uint64),
        first_bin_m,
        (settings.far_m + settings.truncation_m - first_bin_m) / DEPTH_BINS,
        TILE,
    )
    nothing = np.empty((0, 0), np.float32)
    _weigh(
        _image(observation.depth_m),
        nothing if observation.confidence is None else _image(observation.confidence),
        nothing if observation.boundary is None else _image(observation.boundary),
        _normals_hw3(observation.normals, (h, w)),
        Intrinsics(camera.fx, camera.fy, camera.cx, camera.cy),
        rules,
        maps,
    )
    return maps


def _image(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32)


def _normals_hw3(normals: np.ndarray | None, size: tuple[int, int]) -> np.ndarray:
    if normals is None:
        return np.empty((0, 0, 3), np.float32)
    return _image(normals if normals.shape == (*size, 3) else normals.transpose(1, 2, 0))


@njit(cache=True, nogil=True, inline="always")
def _slope(before, here, after, has_before, has_after, step):
    """Slope from whichever neighbours lie at a similar depth; NaN where neither does."""
    back = here - before
    ahead = after - here
    back_fits = has_before and before > 0 and abs(back) < step
    ahead_fits = has_after and after > 0 and abs(ahead) < step
    if back_fits and ahead_fits:
        return np.float32(0.5) * (back + ahead)
    if back_fits:
        return back
    if ahead_fits:
        return ahead
    return np.float32(np.nan)


@njit(cache=True, nogil=True, inline="always")
def _cosine(u, v, z, slope_u, slope_v, normals, k):
    """Cosine between the viewing ray r = (x, y, 1) and the normal given, or else that of the surface with these slopes.

    With X(u,v) = z r, the normal dX/du x dX/dv is along (-a, -b, z + a x + b y), where a = fx dz/du and b = fy dz/dv;
    its product with r is z. NaN where there is neither normal nor slope.
    """
    x = (u - k.cx) * (1 / k.fx)
    y = (v - k.cy) * (1 / k.fy)
    ray = x * x + y * y + 1.0
    if normals.size > 0:
        return -(normals[v, u, 0] * x + normals[v, u, 1] * y + normals[v, u, 2]) / math.sqrt(ray)
    a = k.fx * slope_u
    b = k.fy * slope_v
    c = z + a * x + b * y
    return z / math.sqrt((a * a + b * b + c * c) * ray)


@njit(cache=True, nogil=True, inline="always")
def _trust(confidence, boundary, v, u, rules):
    """Confidence times (1 - boundary); 0 for a pixel that is not to be used, NaN included."""
    trust = 1.0
    if confidence.size > 0:
        trust = confidence[v, u] if confidence[v, u] >= rules.min_confidence else 0.0
    if boundary.size > 0:
        trust *= 1.0 - boundary[v, u] if boundary[v, u] <= rules.boundary_threshold else 0.0
    return trust


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")
def _weigh(depth, confidence, boundary, normals, k, rules, maps):
    # The count matters: numba drops a parallel loop whose only effect is on arrays inside a tuple.
    used = np.empty(maps.tile_near.shape[0], np.int64)
    for row in prange(maps.tile_near.shape[0]):
        used[row] = _weigh_tile_row(row, depth, confidence, boundary, normals, k, rules, maps)
    return used.sum()


@njit(cache=True, nogil=True, error_model="numpy")
def _weigh_tile_row(row, depth, confidence, boundary, normals, k, rules, maps):
    h, w = depth.shape
    step = np.float32(0.5 * rules.truncation_m)  # neighbours farther apart than this lie on two surfaces
    maps.tile_near[row] = np.inf
    maps.tile_far[row] = -np.inf
    maps.tile_bins[row] = 0
    used = 0
    for v in range(row * TILE, min(h, (row + 1) * TILE)):
        above = depth[max(v - 1, 0)]
        below = depth[min(v + 1, h - 1)]
        for u in range(w):
            z = depth[v, u]
            if not (rules.near_m <= z <= rules.far_m):
                continue
            trust = _trust(confidence, boundary, v, u, rules)
            if not trust > 0:
                continue
            slope_u = _slope(depth[v, max(u - 1, 0)], z, depth[v, min(u + 1, w - 1)], u > 0, u + 1 < w, step)
            slope_v = _slope(above[u], z, below[u], v > 0, v + 1 < h, step)
            cosine = _cosine(u, v, z, slope_u, slope_v, normals, k)
            if not cosine > rules.cosine_floor:
                cosine = rules.cosine_floor
            if math.isnan(slope_u):
                slope_u = np.float32(0)
            if math.isnan(slope_v):
                slope_v = np.float32(0)
            maps.records[v * w + u, 0] = z
            maps.records[v * w + u, 1] = slope_u
            maps.records[v * w + u, 2] = slope_v
            maps.records[v * w + u, 3] = min(trust * cosine / (z * z), rules.max_weight)
            # the slope reaches half a pixel to either side
            _occupy(row, u // TILE, z, rules.truncation_m + 0.5 * (abs(slope_u) + abs(slope_v)), maps)
            used += 1
    return used


@njit(cache=True, nogil=True, inline="always")
def _occupy(row, column, z, band, maps):
    maps.tile_near[row, column] = min(maps.tile_near[row, column], z - band)
    maps.tile_far[row, column] = max(maps.tile_far[row, column], z + band)
    per_bin = 1 / maps.bin_m
    first = min(max(np.int64((z - band - maps.first_bin_m) * per_bin), 0), DEPTH_BINS - 1)
    last = min(max(np.int64((z + band - maps.first_bin_m) * per_bin), 0), DEPTH_BINS - 1)
    one = np.uint64(1)
    span = ((np.uint64(2) << np.uint64(last)) - one) & ~((one << np.uint64(first)) - one)
    maps.tile_bins[row, column] |= span
