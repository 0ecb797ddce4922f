"""The voxel update: one pass over the blocks in view does tsdf, weight, colour and labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from mapping.fusion.labels import collect_labels
from mapping.fusion.pixels import SLOPE_ONE
from mapping.fusion.voxels import COLOUR, COLOUR_ONE, LABELS, TSDF, TSDF_ONE, VOXELS, WEIGHT
from mapping.records import BLOCK_SIZE

HASH = np.int32(-1640531527)  # 2^32 over the golden ratio: spreads the low bits of a distance over all
BATCH = 32  # neighbouring blocks that one thread takes at a time


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
    max_weight: float  # of a voxel, in units
    per_label: float  # units of weight in a unit of label weight
    label_band_m: float
    free_space_weight: float


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")
def integrate_blocks(coordinates, slots, records, maps, projection, rules, numbers):
    """Updates blocks i32 [C,3] that live in `slots` i32 [C], all different; gives i32 [C], voxels updated in each.
    `numbers` is a tuple as long as a voxel keeps labels: the compiler knows its length.

    A voxel reads the pixel it projects to, whose slope carries depth from the pixel's centre to where the voxel falls.
    It is updated where it lies within the truncation of that depth, along the optical axis (projective distance;
    Curless and Levoy 1996, weighted running average). In blocks with such voxels, those in front of the band become
    freer; this takes away what flew before a surface or what a worse pose put there. Other blocks are left as they are.
    """
    updated = np.zeros(len(coordinates), np.int32)
    offsets = _offsets(projection, rules.voxel_size_m)
    for batch in prange(-(-len(coordinates) // BATCH)):
        _integrate_batch(
            np.int64(batch), coordinates, slots, records, maps, projection, rules, numbers, offsets, updated
        )
    return updated


@njit(cache=True, nogil=True, error_model="numpy")
def _offsets(projection, voxel):
    """What each voxel of a block adds to the camera coordinates of its first one, x and y times the focal length; f32
    [3*512]."""
    fx, fy, R = projection.fx, projection.fy, projection.R_grid_cam
    offsets = np.empty(3 * VOXELS, np.float32)
    for n in range(VOXELS):
        px, py, pz = (n >> 6) * voxel, ((n >> 3) & 7) * voxel, (n & 7) * voxel
        offsets[n] = fx * (R[0, 0] * px + R[1, 0] * py + R[2, 0] * pz)
        offsets[n + VOXELS] = fy * (R[0, 1] * px + R[1, 1] * py + R[2, 1] * pz)
        offsets[n + 2 * VOXELS] = R[0, 2] * px + R[1, 2] * py + R[2, 2] * pz
    return offsets


@njit(cache=True, nogil=True, error_model="numpy")
def _integrate_batch(batch, coordinates, slots, records, maps, projection, rules, numbers, offsets, updated):
    """All passes over a few blocks. Vector code needs loops without branches over few arrays; reading pixels is a loop
    of its own, since the compiler cannot tell that they are not the voxels written."""
    pixels = np.empty(VOXELS, np.int32)
    read = np.empty(VOXELS, np.uint64)
    lanes = np.empty(3 * VOXELS, np.float32)
    words, seen = np.empty(VOXELS, np.uint64), np.empty(3 * VOXELS, np.uint16)
    distance, truncation = lanes[:VOXELS], np.float32(rules.truncation_m)
    for i in range(batch * BATCH, min((batch + 1) * BATCH, len(coordinates))):
        origin = _camera_origin(coordinates[i], projection, rules.voxel_size_m)
        _project(origin, offsets, projection, lanes, pixels)
        _read(maps.geometry, pixels, read)
        _measure(read.view(np.float32), read.view(np.int32), np.float32(maps.slope_m / SLOPE_ONE), lanes)
        count = _count_within(distance, truncation)
        updated[i] = count
        if count == 0:
            continue
        record = records[np.int64(slots[i])]
        _read(maps.content, pixels, read)
        _average(record[TSDF:WEIGHT].view(np.int16), record[WEIGHT:COLOUR], read.view(np.float32), lanes, rules)
        _average_colour(record[COLOUR:LABELS].view(np.uint32), read.view(np.int32), lanes)
        for pair in range(maps.labels.shape[0]):
            _read(maps.labels[pair], pixels, words)
            band = np.float32(rules.label_band_m)
            collect_labels(
                record[LABELS:],
                numbers,
                words.view(np.int32),
                read.view(np.float32),
                lanes,
                band,
                rules.per_label,
                seen,
            )


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
    """For every voxel of a block its pixel in the bordered image; into `lanes` its depth, and where in the pixel it
    falls along u and v."""
    x0, y0, z0 = origin
    cx, cy = np.float32(projection.cx), np.float32(projection.cy)
    last_u, last_v = np.float32(projection.width), np.float32(projection.height)
    stride = np.float32(projection.width + 2)
    one, to_pixel = np.float32(1), np.float32(1.5)  # half a pixel, and one of border
    for n in range(VOXELS):
        z = z0 + offsets[n + 2 * VOXELS]
        inverse = one / z
        u = (x0 + offsets[n]) * inverse + cx
        v = (y0 + offsets[n + VOXELS]) * inverse + cy
        # the border holds no depth; what is outside or behind ends there
        u = u if u < last_u else last_u
        v = v if v < last_v else last_v
        u = u if u > -one else -one
        v = v if v > -one else -one
        u = u if z > 0 else -one
        column = np.float32(np.int32(u + to_pixel))
        row = np.float32(np.int32(v + to_pixel))
        pixels[n] = np.int32(row * stride + column)
        lanes[n] = z
        lanes[n + VOXELS] = u - column + one
        lanes[n + 2 * VOXELS] = v - row + one


@njit(cache=True, nogil=True, error_model="numpy")
def _read(plane, pixels, values):
    for n in range(VOXELS):
        values[n] = plane[np.uint32(pixels[n])]


@njit(cache=True, nogil=True, error_model="numpy")
def _measure(depth, slopes, slope_unit, lanes):
    """Turns the depths in `lanes` into distances to the depth of the pixel, along the optical axis; NaN for none."""
    for n in range(VOXELS):
        packed = slopes[2 * n + 1]
        along_u = np.float32(np.int32(np.int32(packed << 16) >> 16)) * lanes[n + VOXELS]
        along_v = np.float32(np.int32(packed >> 16)) * lanes[n + 2 * VOXELS]
        lanes[n] = depth[2 * n] + (along_u + along_v) * slope_unit - lanes[n]


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
    truncation, per_truncation = np.float32(rules.truncation_m), np.float32(1.0 / rules.truncation_m)
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
        goal = d * per_truncation * whole
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
