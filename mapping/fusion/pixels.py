"""What every pixel of an observation contributes, and where depth lies per tile."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from mapping.fusion.observation import DepthObservation
from mapping.fusion.settings import FusionSettings
from mapping.fusion.voxels import MOST, units_of

TILE = 8  # pixels along each side of a tile
SLOPE_ONE = (1 << 15) - 1  # the greatest slope in units of a stored one


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
    cosine_floor: float
    max_weight: float
    per_unit: float  # units of stored weight in a weight of 1


class PixelMaps(NamedTuple):
    """What voxels read of an image, 16 bytes a pixel, and where depth lies in its tiles."""

    geometry: np.ndarray  # u64 [h,w] depth f32 m in the low half, NaN = not used; slope i16 along u, then v
    content: np.ndarray  # u64 [h,w] weight f32 in whole units of a voxel's weight in the low half; red, green, blue
    tile_near: np.ndarray  # f32 [th,tw] m, least depth that some band of the tile's pixels reaches
    tile_far: np.ndarray  # f32 [th,tw] m; below tile_near where a tile holds nothing
    slope_m: float  # m/px, the greatest; in geometry it is SLOPE_ONE


def pixel_maps(size: tuple[int, int], slope_m: float) -> PixelMaps:
    """The memory of the maps of frames of one size, used again for every frame."""
    h, w = size
    tiles = -(-h // TILE), -(-w // TILE)
    return PixelMaps(
        np.zeros(size, np.uint64),
        np.zeros(size, np.uint64),
        np.zeros(tiles, np.float32),
        np.zeros(tiles, np.float32),
        slope_m,
    )


def weigh_pixels(observation: DepthObservation, settings: FusionSettings, maps: PixelMaps) -> None:
    """Weights every pixel, into `maps`: confidence * cos(normal, view) / z^2, 1 for a sure frontal pixel at 1 m.

    The cosine comes from the slope of depth itself, whatever normals a network predicts: where depth flies between two
    surfaces it is steep and counts little. It is kept above a floor, which pixels without neighbours at a similar depth
    get. The slope lets a voxel read depth between pixel centres without crossing a depth step.
    """
    rules = PixelRules(
        settings.near_m,
        settings.far_m,
        settings.truncation_m,
        settings.min_confidence,
        settings.cosine_floor,
        settings.max_pixel_weight,
        1 / units_of(settings).weight,
    )
    camera = observation.camera
    nothing = np.empty((0, 0), np.float32)
    _weigh(
        _image(observation.depth_m),
        nothing if observation.confidence is None else _image(observation.confidence),
        np.ascontiguousarray(observation.image),
        Intrinsics(camera.fx, camera.fy, camera.cx, camera.cy),
        rules,
        maps,
    )


def greatest_slope(settings: FusionSettings) -> float:
    """m/px; neighbouring pixels that lie farther apart in depth are on two surfaces."""
    return 0.5 * settings.truncation_m


def _image(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32)


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")
def _weigh(depth, confidence, image, k, rules, maps):
    # The count matters: numba drops a parallel loop whose only effect is on arrays inside a tuple.
    done = np.empty(maps.tile_near.shape[0], np.int64)
    for row in prange(maps.tile_near.shape[0]):
        done[row] = _weigh_tile_row(np.int64(row), depth, confidence, image, k, rules, maps)
    return done.sum()


@njit(cache=True, nogil=True, error_model="numpy")
def _weigh_tile_row(row, depth, confidence, image, k, rules, maps):
    """All passes of a row of tiles, line by line, each a loop without branches that becomes vector code."""
    h, w = depth.shape
    here = np.zeros(w + 2, np.float32)  # a line of depth with a border
    none = np.zeros(w, np.float32)
    near = np.full(w, np.inf, np.float32)
    far = np.full(w, -np.inf, np.float32)
    trust = np.ones(w, np.float32)
    slope_u = np.empty(w, np.float32)
    slope_v = np.empty(w, np.float32)
    weight = np.empty(w, np.float32)
    stop = min(h, (row + 1) * TILE)
    for v in range(row * TILE, stop):
        here[1 : w + 1] = depth[v]
        _slope_line(here[0:w], depth[v], here[2 : w + 2], maps.slope_m, slope_u)
        above, below = depth[v - 1] if v > 0 else none, depth[v + 1] if v + 1 < h else none
        _slope_line(above, depth[v], below, maps.slope_m, slope_v)
        if confidence.size > 0:
            _trust_line(confidence[v], rules.min_confidence, trust)
        _weight_line(depth[v], trust, slope_u, slope_v, v, k, rules, weight)
        _depth_line(depth[v], trust, slope_u, slope_v, rules, near, far, here[1 : w + 1])
        _pack_geometry(here[1 : w + 1].view(np.uint32), slope_u, slope_v, maps.slope_m, maps.geometry[v])
        _pack_content(weight.view(np.uint32), image[v], maps.content[v])
    for tile in range(maps.tile_near.shape[1]):
        maps.tile_near[row, tile] = near[tile * TILE : (tile + 1) * TILE].min()
        maps.tile_far[row, tile] = far[tile * TILE : (tile + 1) * TILE].max()
    return stop


@njit(cache=True, nogil=True, error_model="numpy")
def _slope_line(before, here, after, step, slope):
    """Slope from whichever neighbours lie at a similar depth; NaN where neither does."""
    step = np.float32(step)
    for u in range(len(slope)):
        back = here[u] - before[u]
        ahead = after[u] - here[u]
        back_fits = (before[u] > 0) & (abs(back) < step)
        ahead_fits = (after[u] > 0) & (abs(ahead) < step)
        back = back if back_fits else np.float32(0)
        ahead = ahead if ahead_fits else np.float32(0)
        both = np.float32(0.5) if back_fits & ahead_fits else np.float32(1)
        slope[u] = (back + ahead) * both if back_fits | ahead_fits else np.float32(np.nan)


@njit(cache=True, nogil=True, error_model="numpy")
def _trust_line(confidence, least, trust):
    for u in range(len(trust)):
        trust[u] = confidence[u] if confidence[u] >= np.float32(least) else np.float32(0)


@njit(cache=True, nogil=True, error_model="numpy")
def _depth_line(depth, trust, slope_u, slope_v, rules, near, far, out):
    """Writes depth where it is to be used, and widens the range of depths that the bands of each column reach."""
    least, most = np.float32(rules.near_m), np.float32(rules.far_m)
    truncation = np.float32(rules.truncation_m)
    for u in range(len(depth)):
        z = depth[u]
        used = (z >= least) & (z <= most) & (trust[u] > 0)
        # the slope reaches half a pixel to either side
        reach = (abs(slope_u[u]) if slope_u[u] == slope_u[u] else np.float32(0)) + (
            abs(slope_v[u]) if slope_v[u] == slope_v[u] else np.float32(0)
        )
        band = truncation + np.float32(0.5) * reach
        out[u] = z if used else np.float32(np.nan)
        near[u] = min(near[u], z - band if used else np.float32(np.inf))
        far[u] = max(far[u], z + band if used else np.float32(-np.inf))


@njit(cache=True, nogil=True, error_model="numpy")
def _pack_geometry(depth, slope_u, slope_v, slope_m, out):
    per_unit = np.float32(SLOPE_ONE / slope_m)
    for u in range(len(out)):
        a = slope_u[u] if slope_u[u] == slope_u[u] else np.float32(0)
        b = slope_v[u] if slope_v[u] == slope_v[u] else np.float32(0)
        low = np.uint32(np.int32(a * per_unit) & np.int32(0xFFFF))
        high = np.uint32(np.int32(np.int32(b * per_unit) << 16))
        out[u] = np.uint64(depth[u]) | np.uint64(np.uint32(low | high)) << np.uint64(32)


@njit(cache=True, nogil=True, error_model="numpy")
def _weight_line(depth, trust, slope_u, slope_v, v, k, rules, out):
    """Weights in whole units, at least one, from the cosine between the viewing ray r = (x, y, 1) and the normal of the
    surface with these slopes.

    With X(u,v) = z r, the normal dX/du x dX/dv is along (-a, -b, z + a x + b y), where a = fx dz/du and b = fy dz/dv;
    its product with r is z.
    """
    fx, fy, cx = np.float32(k.fx), np.float32(k.fy), np.float32(k.cx)
    per_fx = np.float32(1 / k.fx)
    y = np.float32((v - k.cy) / k.fy)
    floor, most, per_unit = np.float32(rules.cosine_floor), np.float32(rules.max_weight), np.float32(rules.per_unit)
    for u in range(len(out)):
        z = depth[u]
        x = (np.float32(u) - cx) * per_fx
        a = fx * slope_u[u]
        b = fy * slope_v[u]
        c = z + a * x + b * y
        cosine = z / np.sqrt((a * a + b * b + c * c) * (x * x + y * y + np.float32(1)))
        cosine = cosine if cosine > floor else floor  # NaN without slope
        weight = trust[u] * cosine / (z * z)
        weight = weight if weight < most else most
        units = np.float32(np.int32(weight * per_unit + np.float32(0.5)))
        out[u] = min(max(units, np.float32(1)), np.float32(MOST))


@njit(cache=True, nogil=True, error_model="numpy")
def _pack_content(weight, image, out):
    for u in range(len(out)):
        rg = np.uint32(image[u, 0]) | np.uint32(np.uint32(image[u, 1]) << np.uint32(8))
        rgb = np.uint32(rg | np.uint32(np.uint32(image[u, 2]) << np.uint32(16)))
        out[u] = np.uint64(weight[u]) | np.uint64(rgb) << np.uint64(32)
