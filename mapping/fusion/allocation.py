"""Which blocks an observation can touch."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from mapping.fusion.block_index import REACH
from mapping.fusion.pixels import TILE, Intrinsics, PixelMaps
from mapping.records import BLOCK_SIZE
from streammtl.errors import GeometryError

TOP_LEVEL = 5  # the search begins with cubes of 2^5 blocks a side
FEW = 4  # tiles along each side of what a cube covers, in the level of tiles that it is compared with
ROUNDING_PX = 1e-2
ROUNDING_M = 1e-5


def blocks_in_view(
    maps: PixelMaps, k: Intrinsics, size: tuple[int, int], T_grid_cam: np.ndarray, voxel_size_m: float
) -> np.ndarray:
    """Coordinates i32 [N,3], each once, of every block that holds a voxel some pixel could update, in Morton order.

    Cubes of blocks are halved from above: one is left out when no tile of pixels that its voxels can project to
    reaches its depths, band included. A voxel that is updated projects into some tile and lies within that tile's
    depths, so no block is missed, however oblique the surface. Raises: GeometryError for a camera out of the grid's
    reach.
    """
    farthest = float(maps.tile_far.max())
    if not farthest > 0:
        return np.empty((0, 3), np.int32)
    reach_m = (REACH - 1) * BLOCK_SIZE * voxel_size_m
    if np.abs(T_grid_cam[:3, 3]).max() + farthest * math.hypot(1.0, *_largest_slopes(size, k)) > reach_m:
        raise GeometryError(
            f"the camera is at {T_grid_cam[:3, 3].tolist()} m; the grid reaches {reach_m:.0f} m from its "
            "origin. Start a submap nearer to the camera."
        )
    low, high = _top_cubes(farthest, k, size, T_grid_cam, voxel_size_m * (BLOCK_SIZE << TOP_LEVEL))
    R, t = np.ascontiguousarray(T_grid_cam[:3, :3]), np.ascontiguousarray(T_grid_cam[:3, 3])
    tiles = _pyramid(maps.tile_near, maps.tile_far)
    found = np.empty((1 << 14, 3), np.int32)
    while True:
        count = _search(tiles, k, size, R, t, voxel_size_m, low, high, found)
        if count <= len(found):
            return found[:count]
        found = np.empty((count, 3), np.int32)


def _largest_slopes(size: tuple[int, int], k: Intrinsics) -> tuple[float, float]:
    h, w = size
    return max(k.cx + 0.5, w - 0.5 - k.cx) / k.fx, max(k.cy + 0.5, h - 0.5 - k.cy) / k.fy


def _top_cubes(farthest, k, size, T_grid_cam, cube_m) -> tuple[np.ndarray, np.ndarray]:
    """First and last cube i64 [3] of the box around the view as far as there is depth."""
    h, w = size
    u, v = np.array([-0.5, w - 0.5] * 2), np.repeat([-0.5, h - 0.5], 2)
    corners = farthest * np.stack([(u - k.cx) / k.fx, (v - k.cy) / k.fy, np.ones(4)], -1)
    corners = np.concatenate([corners, np.zeros((1, 3))]) @ T_grid_cam[:3, :3].T + T_grid_cam[:3, 3]
    margin = ROUNDING_M + cube_m / (1 << TOP_LEVEL)
    low, high = np.floor((corners.min(0) - margin) / cube_m), np.floor((corners.max(0) + margin) / cube_m)
    return low.astype(np.int64), high.astype(np.int64)


def _pyramid(near: np.ndarray, far: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All levels of tiles, each half as fine as the one before, one after the other; and the first row of each."""
    rows, columns = near.shape
    levels = max(rows, columns).bit_length()
    first = np.zeros(levels + 1, np.int64)
    for level in range(levels):
        first[level + 1] = first[level] + -(-rows // (1 << level))
    all_near = np.full((first[-1], columns), np.inf, np.float32)
    all_far = np.full((first[-1], columns), -np.inf, np.float32)
    all_near[:rows], all_far[:rows] = near, far
    _fill_pyramid(first, columns, all_near, all_far)
    return all_near, all_far, first


@njit(cache=True, nogil=True)
def _fill_pyramid(first, columns, near, far):
    for level in range(1, len(first) - 1):
        below = first[level - 1]
        for row in range(first[level] - below):
            for column in range(-(-columns >> (level - 1))):
                target = first[level] + row // 2, column // 2
                near[target] = min(near[target], near[below + row, column])
                far[target] = max(far[target], far[below + row, column])


@njit(cache=True, nogil=True, error_model="numpy")
def _search(tiles, k, size, R, t, voxel, low, high, found):
    """Descends from every top cube in turn; gives the number of blocks, of which as many as fit are in `found`."""
    stack = np.empty((8 * (TOP_LEVEL + 1), 4), np.int64)
    reach = np.empty(3)
    for axis in range(3):  # of a box with sides of 2 along the camera's axis, from its middle
        reach[axis] = abs(R[0, axis]) + abs(R[1, axis]) + abs(R[2, axis])
    count = 0
    for x in range(low[0], high[0] + 1):
        for y in range(low[1], high[1] + 1):
            for z in range(low[2], high[2] + 1):
                stack[0] = x, y, z, TOP_LEVEL
                count = _descend(stack, tiles, k, size, R, t, reach, voxel, found, count)
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def _descend(stack, tiles, k, size, R, t, reach, voxel, found, count):
    waiting = 1
    while waiting > 0:
        waiting -= 1
        x, y, z, level = stack[waiting]
        if not _reached(x, y, z, level, tiles, k, size, R, t, reach, voxel):
            continue
        if level == 0:
            if count < len(found):
                found[count] = x, y, z
            count += 1
            continue
        for child in range(7, -1, -1):
            stack[waiting] = 2 * x + (child >> 2), 2 * y + (child >> 1 & 1), 2 * z + (child & 1), level - 1
            waiting += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _reached(x, y, z, level, tiles, k, size, R, t, reach, voxel):
    """Whether some tile that a cube of 2^level blocks may project to reaches its depths."""
    near, far, first = tiles
    side = BLOCK_SIZE << level
    half = 0.5 * (side - 1) * voxel  # from the middle to the outermost samples
    px = (x * side + 0.5 * (side - 1)) * voxel - t[0]
    py = (y * side + 0.5 * (side - 1)) * voxel - t[1]
    pz = (z * side + 0.5 * (side - 1)) * voxel - t[2]
    depth = R[0, 2] * px + R[1, 2] * py + R[2, 2] * pz
    z_lo = depth - half * reach[2] - ROUNDING_M
    z_hi = depth + half * reach[2] + ROUNDING_M
    if z_hi <= 0:
        return False
    h, w = size
    u_lo, u_hi = _span(R[0, 0] * px + R[1, 0] * py + R[2, 0] * pz, half * reach[0], z_lo, z_hi, k.fx, k.cx, w)
    v_lo, v_hi = _span(R[0, 1] * px + R[1, 1] * py + R[2, 1] * pz, half * reach[1], z_lo, z_hi, k.fy, k.cy, h)
    if u_lo > u_hi or v_lo > v_hi:
        return False
    u_lo, u_hi, v_lo, v_hi = u_lo // TILE, u_hi // TILE, v_lo // TILE, v_hi // TILE
    coarse = 0
    while max(u_hi - u_lo, v_hi - v_lo) >> coarse >= FEW and coarse < len(first) - 2:
        coarse += 1
    base = first[coarse]
    for row in range(v_lo >> coarse, (v_hi >> coarse) + 1):
        for column in range(u_lo >> coarse, (u_hi >> coarse) + 1):
            if near[base + row, column] <= z_hi and far[base + row, column] >= z_lo:
                return True
    return False


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _span(middle, half, z_lo, z_hi, f, c, length):
    """First and last pixel along an axis that a box from middle - half to middle + half at depths z_lo to z_hi covers;
    all of them when it reaches the camera."""
    if z_lo < 1e-3:
        return np.int64(0), np.int64(length - 1)
    low, high = middle - half, middle + half
    low = low / (z_lo if low < 0 else z_hi) * f + c + 0.5 - ROUNDING_PX
    high = high / (z_hi if high < 0 else z_lo) * f + c + 0.5 + ROUNDING_PX
    low, high = min(max(low, 0.0), length + 0.0), min(max(high, -1.0), length - 0.5)
    return np.int64(math.floor(low)), np.int64(math.floor(high))
