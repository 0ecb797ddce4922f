"""Which blocks an observation can touch."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from mapping.fusion.block_index import REACH
from mapping.fusion.pixels import DEPTH_BINS, Intrinsics, PixelMaps
from mapping.records import BLOCK_SIZE
from streammtl.errors import GeometryError

HALF = 0.5 * (BLOCK_SIZE - 1)  # voxels from a block's middle to its outermost samples


def blocks_in_view(
    maps: PixelMaps, k: Intrinsics, size: tuple[int, int], T_grid_cam: np.ndarray, voxel_size_m: float
) -> np.ndarray:
    """Coordinates i32 [N,3] of every block that holds a voxel some pixel could update; blocks may appear more than
       once.

    A tile of pixels spans a pyramid; the blocks that meet it between the tile's nearest and farthest depth, band
    included, and that do not lie wholly in a gap between depths, are candidates. A voxel that is updated projects into
    some tile and lies within that tile's depths, so no block is missed, however oblique the surface. Raises:
    GeometryError for a camera out of the grid's reach.
    """
    farthest = max(float(maps.tile_far.max()), 0.0) * math.hypot(1.0, *_largest_slopes(size, k))
    reach_m = (REACH - 1) * BLOCK_SIZE * voxel_size_m
    if np.abs(T_grid_cam[:3, 3]).max() + farthest > reach_m:
        raise GeometryError(
            f"the camera is at {T_grid_cam[:3, 3].tolist()} m; the grid reaches {reach_m:.0f} m from its "
            "origin. Start a submap nearer to the camera."
        )
    R, t = np.ascontiguousarray(T_grid_cam[:3, :3]), np.ascontiguousarray(T_grid_cam[:3, 3])
    found = np.empty((64 * maps.tile_bins.size, 3), np.int32)
    count = _collect(maps, k, size, R, t, voxel_size_m, found)
    if count > len(found):
        found = np.empty((count, 3), np.int32)
        _collect(maps, k, size, R, t, voxel_size_m, found)
    return found[:count]


def _largest_slopes(size: tuple[int, int], k: Intrinsics) -> tuple[float, float]:
    h, w = size
    return max(k.cx + 0.5, w - 0.5 - k.cx) / k.fx, max(k.cy + 0.5, h - 0.5 - k.cy) / k.fy


@njit(cache=True, nogil=True, inline="always")
def _meets(c, x_lo, x_hi, y_lo, y_hi, z_lo, z_hi, bins, extents, maps):
    """Whether the box around camera point c meets the pyramid x_lo..x_hi, y_lo..y_hi between depths z_lo and z_hi, gaps
    left out. `extents`: the box's half sizes along the camera's x, y, z and along the outward normals of the pyramid's
    four sides.
    """
    near = c[2] - extents[0]
    far = c[2] + extents[0]
    if far < z_lo or near > z_hi:
        return False
    if c[0] - x_lo * c[2] < -extents[1] or x_hi * c[2] - c[0] < -extents[2]:
        return False
    if c[1] - y_lo * c[2] < -extents[3] or y_hi * c[2] - c[1] < -extents[4]:
        return False
    first = min(max(np.int64(math.floor((near - maps.first_bin_m) / maps.bin_m)), 0), DEPTH_BINS - 1)
    last = min(max(np.int64(math.floor((far - maps.first_bin_m) / maps.bin_m)), 0), DEPTH_BINS - 1)
    one = np.uint64(1)
    span = ((np.uint64(2) << np.uint64(last)) - one) & ~((one << np.uint64(first)) - one)
    return (bins & span) != 0


@njit(cache=True, nogil=True, inline="always")
def _half_size(nx, ny, nz, R, half_m):
    """Half the size, along the camera direction (nx, ny, nz), of a box whose sides follow the grid's axes."""
    size = 0.0
    for j in range(3):
        size += abs(R[j, 0] * nx + R[j, 1] * ny + R[j, 2] * nz)
    return size * half_m


@njit(cache=True, nogil=True, error_model="numpy")
def _collect(maps, k, size, R, t, voxel, found):
    h, w = size
    half_m = HALF * voxel
    low = np.empty(3)
    high = np.empty(3)
    first = np.empty(3, np.int64)
    last = np.empty(3, np.int64)
    c = np.empty(3)
    extents = np.empty(5)
    extents[0] = _half_size(0.0, 0.0, 1.0, R, half_m)
    count = 0
    for row in range(maps.tile_near.shape[0]):
        y_lo = (row * maps.tile - 0.5 - k.cy) / k.fy
        y_hi = (min(h, (row + 1) * maps.tile) - 0.5 - k.cy) / k.fy
        extents[3] = _half_size(0.0, 1.0, -y_lo, R, half_m)
        extents[4] = _half_size(0.0, -1.0, y_hi, R, half_m)
        for column in range(maps.tile_near.shape[1]):
            z_lo = max(maps.tile_near[row, column], 0.0)
            z_hi = maps.tile_far[row, column]
            if z_hi < z_lo:
                continue
            x_lo = (column * maps.tile - 0.5 - k.cx) / k.fx
            x_hi = (min(w, (column + 1) * maps.tile) - 0.5 - k.cx) / k.fx
            extents[1] = _half_size(1.0, 0.0, -x_lo, R, half_m)
            extents[2] = _half_size(-1.0, 0.0, x_hi, R, half_m)
            low[:] = np.inf
            high[:] = -np.inf
            for corner in range(8):
                z = z_lo if corner & 1 else z_hi
                x = (x_lo if corner & 2 else x_hi) * z
                y = (y_lo if corner & 4 else y_hi) * z
                for axis in range(3):
                    p = R[axis, 0] * x + R[axis, 1] * y + R[axis, 2] * z + t[axis]
                    low[axis] = min(low[axis], p)
                    high[axis] = max(high[axis], p)
            for axis in range(3):
                first[axis] = np.int64(math.floor(math.ceil(low[axis] / voxel) / BLOCK_SIZE))
                last[axis] = np.int64(math.floor(math.floor(high[axis] / voxel) / BLOCK_SIZE))
            bins = maps.tile_bins[row, column]
            for bx in range(first[0], last[0] + 1):
                px = (bx * BLOCK_SIZE + HALF) * voxel - t[0]
                for by in range(first[1], last[1] + 1):
                    py = (by * BLOCK_SIZE + HALF) * voxel - t[1]
                    for bz in range(first[2], last[2] + 1):
                        pz = (bz * BLOCK_SIZE + HALF) * voxel - t[2]
                        for axis in range(3):
                            c[axis] = R[0, axis] * px + R[1, axis] * py + R[2, axis] * pz
                        if _meets(c, x_lo, x_hi, y_lo, y_hi, z_lo, z_hi, bins, extents, maps):
                            if count < len(found):
                                found[count, 0] = bx
                                found[count, 1] = by
                                found[count, 2] = bz
                            count += 1
    return count
