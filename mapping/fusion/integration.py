"""The voxel update: one pass over the blocks in view does tsdf, weight, colour and labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from mapping.fusion.labels import collect_labels
from mapping.fusion.pixels import SLOPE_ONE
from mapping.fusion.voxels import COLOUR, COLOUR_ONE, LABELS, TSDF, TSDF_ONE, VOXELS, WEIGHT, voxel_order
from mapping.records import BLOCK_SIZE

HASH = np.int32(-1640531527)  # 2^32 over the golden ratio: spreads the low bits of a distance over all
BATCH = 32  # neighbouring blocks that one thread takes at a time
OUTSIDE = 9.0  # more than any distance from the nearest pixel's centre


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

    def offsets(self, voxel_size_m: float) -> np.ndarray:
        """What each voxel of a block adds to the camera coordinates of its first one, x and y times the focal length;
        f32 [3*512]."""
        in_camera = voxel_order() * voxel_size_m @ self.R_grid_cam * (self.fx, self.fy, 1.0)
        return in_camera.T.astype(np.float32).reshape(-1)


class VoxelRules(NamedTuple):
    voxel_size_m: float
    truncation_m: float
    max_weight: float  # of a voxel, in units
    per_label: float  # units of weight in a unit of label weight
    label_band_m: float
    free_space_weight: float


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")
def integrate_blocks(coordinates, slots, records, maps, labels, projection, offsets, rules, numbers):
    """Updates blocks i32 [C,3] that live in `slots` i32 [C], all different; gives i32 [C], voxels updated in each.
    `labels` are those of the pixels, as `pixel_labels` gives them, `offsets` those of `Projection`; `numbers` is a
    tuple as long as a voxel keeps labels: the compiler knows its length.

    A voxel reads the pixel it projects to, whose slope carries depth from the pixel's centre to where the voxel falls.
    It is updated where it lies within the truncation of that depth, along the optical axis (projective distance;
    Curless and Levoy 1996, weighted running average). In blocks with such voxels, those in front of the band become
    freer; this takes away what flew before a surface or what a worse pose put there. Other blocks are left as they are.
    """
    updated = np.zeros(len(coordinates), np.int32)
    for batch in prange(-(-len(coordinates) // BATCH)):
        _integrate_batch(
            np.int64(batch), coordinates, slots, records, maps, labels, projection, offsets, rules, numbers, updated
        )
    return updated


@njit(cache=True, nogil=True, error_model="numpy")
def _integrate_batch(batch, coordinates, slots, records, maps, labels, projection, offsets, rules, numbers, updated):
    """All passes over a few blocks. Vector code needs loops without branches over few arrays; reading pixels is a loop
    of its own, since the compiler cannot tell that they are not the voxels written."""
    pixels = np.empty(VOXELS, np.int32)
    read = np.empty(VOXELS, np.uint64)
    lanes = np.empty(3 * VOXELS, np.float32)
    seen = np.empty(3 * VOXELS, np.uint16)
    geometry, content = maps.geometry.reshape(-1), maps.content.reshape(-1)
    slope_unit, band = np.float32(maps.slope_m / SLOPE_ONE), np.float32(rules.label_band_m)
    for i in range(batch * BATCH, min((batch + 1) * BATCH, len(coordinates))):
        origin = _camera_origin(coordinates[i], projection, rules.voxel_size_m)
        _project(origin, offsets, projection, lanes, pixels)
        _read(geometry, pixels, read)
        _measure(read.view(np.float32), read.view(np.int32), slope_unit, lanes)
        updated[i] = _count_within(lanes[:VOXELS], np.float32(rules.truncation_m))
        if updated[i] == 0:
            continue
        record = records[np.int64(slots[i])]
        _read(content, pixels, read)
        weight = read.view(np.float32)
        _average(record[TSDF:WEIGHT].view(np.int16), record[WEIGHT:COLOUR], weight, lanes, rules)
        _average_colour(record[COLOUR:LABELS].view(np.uint32), read.view(np.int32), lanes)
        if len(labels.ids) > 0:
            collect_labels(record[LABELS:], numbers, labels, pixels, weight, lanes, band, rules.per_label, seen)


@njit(cache=True, nogil=True, error_model="numpy")
def _camera_origin(block, projection, voxel):
    """A block's first voxel in camera coordinates, x and y times the focal length."""
    fx, fy, R, t = projection.fx, projection.fy, projection.R_grid_cam, projection.t_grid_cam
    x = block[0] * BLOCK_SIZE * voxel - t[0]
    y = block[1] * BLOCK_SIZE * voxel - t[1]
    z = block[2] * BLOCK_SIZE * voxel - t[2]
    return (
        np.float32(fx * (R[0, 0] * x + R[1, 0] * y + R[2, 0] * z)),
        np.float32(fy * (R[0, 1] * x + R[1, 1] * y + R[2, 1] * z)),
        np.float32(R[0, 2] * x + R[1, 2] * y + R[2, 2] * z),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _project(origin, offsets, projection, lanes, pixels):
    """For every voxel of a block its pixel, some pixel for one that no pixel sees; into `lanes` its depth, and where it
    falls from the pixel's centre along u and v: OUTSIDE for what no pixel sees."""
    x0, y0, z0 = origin
    cx, cy = np.float32(projection.cx + 0.5), np.float32(projection.cy + 0.5)
    width, height = np.float32(projection.width), np.float32(projection.height)
    zero, one, half, outside = np.float32(0), np.float32(1), np.float32(0.5), np.float32(OUTSIDE)
    for n in range(VOXELS):
        z = z0 + offsets[n + 2 * VOXELS]
        inverse = one / z
        u = (x0 + offsets[n]) * inverse + cx
        v = (y0 + offsets[n + VOXELS]) * inverse + cy
        inside = (u >= zero) & (u < width) & (v >= zero) & (v < height) & (z > zero)
        u = u if inside else zero
        v = v if inside else zero
        column, row = np.float32(np.int32(u)), np.float32(np.int32(v))
        pixels[n] = np.int32(row * width + column)
        lanes[n] = z
        lanes[n + VOXELS] = u - column - half if inside else outside
        lanes[n + 2 * VOXELS] = v - row - half


@njit(cache=True, nogil=True, error_model="numpy")
def _read(plane, pixels, values):
    for n in range(VOXELS):
        values[n] = plane[np.uint32(pixels[n])]


@njit(cache=True, nogil=True, error_model="numpy")
def _measure(depth, slopes, slope_unit, lanes):
    """Turns the depths in `lanes` into distances to the depth of the pixel, along the optical axis; NaN for none."""
    outside, none = np.float32(OUTSIDE), np.float32(np.nan)
    for n in range(VOXELS):
        packed = slopes[2 * n + 1]
        u, v = lanes[n + VOXELS], lanes[n + 2 * VOXELS]
        along_u = np.float32(np.int32(np.int32(packed << 16) >> 16)) * u
        along_v = np.float32(np.int32(packed >> 16)) * v
        distance = depth[2 * n] + (along_u + along_v) * slope_unit - lanes[n]
        lanes[n] = distance if u < outside else none


@njit(cache=True, nogil=True, error_model="numpy")
def _count_within(distance, band):
    count = np.int32(0)
    for n in range(VOXELS):
        count += np.int32(abs(distance[n]) <= band)
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def _average(tsdf, weight, pixel_weight, lanes, rules):
    """Running average of a block's tsdf; leaves the shares of the new values, and chances, behind the distances.

    Values are rounded up or down with the probability of their fraction, so that small changes are not lost; the bits
    of distance and weight decide, so that the same input gives the same result.
    """
    truncation, per_truncation = np.float32(rules.truncation_m), np.float32(TSDF_ONE / rules.truncation_m)
    free, most = np.float32(rules.free_space_weight), np.float32(rules.max_weight)
    one, half, whole = np.float32(1), np.float32(0.5), np.float32(TSDF_ONE)
    bits = lanes.view(np.int32)
    for n in range(VOXELS):
        d = lanes[n]
        new = pixel_weight[2 * n]
        freed = np.float32(np.int32(new * free + half))
        new = freed if d > truncation else new
        new = new if d >= -truncation else np.float32(0)
        total = np.float32(weight[n]) + new
        share = new / (total if total > one else one)
        hashed = np.int32(np.int32(bits[n] + np.int32(total)) * HASH)
        chance = np.float32(np.int32(hashed >> 16) & 127) * np.float32(1 / 128) + np.float32(1 / 256)
        old = np.float32(tsdf[n])
        goal = d * per_truncation
        goal = goal if goal < whole else whole
        goal = goal if d >= -truncation else np.float32(0)
        value = old + (goal - old) * share + (whole + whole) + chance
        tsdf[n] = np.int16(np.int32(value) - np.int32(2 * TSDF_ONE))
        weight[n] = np.uint16(np.int32(total if total < most else most))
        lanes[n + VOXELS] = share
        lanes[n + 2 * VOXELS] = chance


@njit(cache=True, nogil=True, error_model="numpy")
def _average_colour(colour, pixel_colour, lanes):
    for n in range(VOXELS):
        share, chance = lanes[n + VOXELS], lanes[n + 2 * VOXELS]
        old, new = np.int32(colour[n]), pixel_colour[2 * n + 1]
        red = _mixed(old & 1023, new & 255, share, chance)
        green = _mixed(np.int32(old >> 10) & 1023, np.int32(new >> 8) & 255, share, chance)
        blue = _mixed(np.int32(old >> 20) & 1023, np.int32(new >> 16) & 255, share, chance)
        colour[n] = np.uint32(red | np.int32(green << 10) | np.int32(blue << 20))


@njit(cache=True, nogil=True, inline="always")
def _mixed(old, level, share, chance):
    value = np.float32(np.int32(old))
    return np.int32(value + (np.float32(np.int32(level)) * np.float32(COLOUR_ONE) - value) * share + chance)
