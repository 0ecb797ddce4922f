"""What every pixel of an observation contributes, and where depth lies per tile."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from mapping.fusion import pixel_lines as lines
from mapping.fusion.observation import DepthObservation
from mapping.fusion.pixel_labels import label_lines, numbers_of, pack_labels
from mapping.fusion.pixel_lines import TILE, Intrinsics, PixelRules
from mapping.fusion.settings import FusionSettings
from mapping.fusion.voxels import units_of


class PixelMaps(NamedTuple):
    """What voxels read of an image, 16 bytes a pixel and its labels, within a border that holds no depth; and where
    depth lies in its tiles."""

    # depth f32 m at the pixel's upper left corner in the low half, NaN = not used; slope i16 along u, then v
    geometry: np.ndarray  # u64 [h+2,w+2]
    # weight f32 in whole units of a voxel's weight in the low half; colour as voxels keep it
    content: np.ndarray  # u64 [h+2,w+2]
    # its m labels, two and two: id in the low byte of an u16, evidence in the high one, in units of label weight
    labels: np.ndarray  # u32 [h+2,w+2,ceil(m/2)]
    # least depth that some band of the tile's pixels reaches, and minus the greatest
    tiles: np.ndarray  # f32 [th,tw,2] m
    slope_m: float  # m/px, the greatest; in geometry it is SLOPE_ONE


def pixel_maps(observation: DepthObservation, settings: FusionSettings, before: PixelMaps | None) -> PixelMaps:
    """The memory of an observation's maps: that of those before, where it fits."""
    h, w = observation.depth_m.shape
    m = 0 if observation.label_ids is None else observation.label_ids.shape[2]
    shape = (h + 2, w + 2, (m + 1) // 2)
    if before is not None and before.labels.shape == shape:
        return before
    planes = np.zeros((2, h + 2, w + 2), np.uint64)  # in one piece, which NumPy puts on large pages
    planes[0] = np.float32(np.nan).view(np.uint32)
    return PixelMaps(
        planes[0],
        planes[1],
        np.zeros(shape, np.uint32),
        np.zeros((-(-h // TILE), -(-w // TILE), 2), np.float32),
        0.5 * settings.truncation_m,  # neighbours that lie farther apart in depth are on two surfaces
    )


def weigh_pixels(observation: DepthObservation, settings: FusionSettings, maps: PixelMaps) -> None:
    """Weights every pixel, and with it its labels, into `maps`: confidence * cos(normal, view) / z^2, 1 for a sure
    frontal pixel at 1 m.

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
    camera, w = observation.camera, observation.depth_m.shape[1]
    _weigh(
        _lines(observation.depth_m, np.float32, w),
        _lines(observation.confidence, np.float32, w),
        _lines(observation.image, np.uint8, 3 * w),
        Intrinsics(camera.fx, camera.fy, camera.cx, camera.cy),
        rules,
        label_lines(observation, settings),
        numbers_of(observation),
        maps,
    )


def _lines(values: np.ndarray | None, kind: type, length: int) -> np.ndarray:
    """An array line by line [h,length], or [0,length] where there is none."""
    return np.empty((0, length), kind) if values is None else np.ascontiguousarray(values, kind).reshape(-1, length)


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")
def _weigh(depth, confidence, image, k, rules, labels, numbers, maps):
    # The count matters: numba drops a parallel loop whose only effect is on arrays inside a tuple.
    done = np.empty(maps.tiles.shape[0], np.int64)
    for row in prange(maps.tiles.shape[0]):
        done[row] = _weigh_tile_row(np.int64(row), depth, confidence, image, k, rules, labels, numbers, maps)
    return done.sum()


@njit(cache=True, nogil=True, error_model="numpy")
def _weigh_tile_row(row, depth, confidence, image, k, rules, labels, numbers, maps):
    """All passes of a row of tiles, line by line, each a loop without branches that becomes vector code."""
    h, w = depth.shape
    here = np.zeros(w + 2, np.float32)  # a line of depth with a border
    none = np.zeros(w, np.float32)
    padded = maps.tiles.shape[1] * TILE
    near = np.full(padded, np.inf, np.float32)
    far = np.full(padded, np.inf, np.float32)
    trust = np.ones(w, np.float32)
    slope_u = np.empty(w, np.float32)
    slope_v = np.empty(w, np.float32)
    weight = np.empty(w, np.float32)
    words = 2 * maps.labels.shape[2]  # of a pixel
    packed = maps.labels.reshape(-1).view(np.uint16)
    stop = min(h, (row + 1) * TILE)
    for v in range(row * TILE, stop):
        here[1 : w + 1] = depth[v]
        lines.slope(here[0:w], depth[v], here[2 : w + 2], maps.slope_m, slope_u)
        above, below = depth[v - 1] if v > 0 else none, depth[v + 1] if v + 1 < h else none
        lines.slope(above, depth[v], below, maps.slope_m, slope_v)
        if len(confidence) > 0:
            lines.trust(confidence[v], rules.min_confidence, trust)
        lines.weigh(depth[v], trust, slope_u, slope_v, v, k, rules, weight)
        lines.use(depth[v], trust, slope_u, slope_v, rules, near[:w], far[:w], here[1 : w + 1])
        lines.pack_geometry(here[1 : w + 1], slope_u, slope_v, maps.slope_m, maps.geometry[v + 1, 1 : w + 1])
        lines.pack_content(weight, image[v], maps.content[v + 1, 1 : w + 1])
        if len(labels.ids) > 0:
            shares = labels.probabilities[v] if len(labels.probabilities) > 0 else none[:0]
            bits = np.int32(labels.seed + v * 0x3C6EF35F)  # odd: lines take other chances than their neighbours
            out = packed[words * ((v + 1) * (w + 2) + 1) : words * ((v + 2) * (w + 2) - 1)]
            pack_labels(labels.ids[v], shares, depth[v], weight, labels.per_label, bits, numbers, out)
    lines.least_of_tiles(near, far, maps.tiles[row].reshape(-1))
    return stop
