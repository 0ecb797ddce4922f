"""Which blocks an observation can touch, and which of their cells."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from mapping.fusion.block_index import REACH
from mapping.fusion.depth_windows import least_within
from mapping.fusion.pixel_lines import TILE, Intrinsics
from mapping.fusion.pixels import PixelMaps
from mapping.fusion.view import ROUNDING_M, cubes_around, view_of
from mapping.fusion.voxels import CELL_SIZE
from mapping.records import BLOCK_SIZE
from streammtl.errors import GeometryError

TOP_LEVEL = 5  # the search begins with cubes of 2^5 blocks a side
PART_LEVEL = 2  # and goes on in parallel in cubes of 2^2, which have
PART = (1 << PART_LEVEL) ** 3  # blocks
BEFORE = 8  # the bit that says of the first cell that something of it may lie before a surface
ROUNDING_PX = 1e-2
NEAREST_M = 1e-3  # what comes nearer to the camera's plane than that may be seen anywhere


def blocks_in_view(
    maps: PixelMaps, k: Intrinsics, T_grid_cam: np.ndarray, voxel_size_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates i32 [N,3], each once, of every block that holds a voxel some pixel could update, in Morton order; and
    of their cells, u16 [N]: bit c says that cell c may hold a voxel within the band around a surface, bit BEFORE + c
    that it may only hold some in front of it. Others hold neither.

    Cubes of blocks are halved from above: one is left out when no tile of pixels that its voxels can project to
    reaches its depths, band included. A voxel that is updated projects into some tile and lies within that tile's
    depths, so no block is missed, however oblique the surface. Raises: GeometryError for a camera out of the grid's
    reach.
    """
    height, width = (length - 2 for length in maps.geometry.shape)
    T = np.ascontiguousarray(T_grid_cam)
    view = view_of(maps.tiles, height, width, k, T, voxel_size_m)
    if not np.isfinite(view.overall[0]):
        return np.empty((0, 3), np.int32), np.empty(0, np.uint16)
    low, high, far_m = cubes_around(view, k, T, TOP_LEVEL)
    reach_m = (REACH - 1) * BLOCK_SIZE * voxel_size_m
    if far_m > reach_m:
        raise GeometryError(
            f"the camera is at {T[:3, 3].tolist()} m; the grid reaches {reach_m:.0f} m from its "
            "origin. Start a submap nearer to the camera."
        )
    parts = np.empty((1 << 10, 3), np.int32)
    while (count := _find_parts(view, low, high, parts)) > len(parts):
        parts = np.empty((count, 3), np.int32)
    return _search(view, parts[:count])


@njit(cache=True, nogil=True, error_model="numpy")
def _find_parts(view, low, high, parts):
    """Puts the cubes to search into `parts`, as many as fit; gives their number."""
    stack, ignored = np.empty((8 * TOP_LEVEL, 4), np.int64), np.empty(0, np.uint16)
    count = 0
    for x in range(low[0], high[0] + 1):
        for y in range(low[1], high[1] + 1):
            for z in range(low[2], high[2] + 1):
                stack[0] = x, y, z, TOP_LEVEL
                count = _descend(view, stack, PART_LEVEL, parts, ignored, count)
    return count


@njit(cache=True, nogil=True, parallel=True)
def _search(view, parts):
    found, cells = np.empty((len(parts) * PART, 3), np.int32), np.empty(len(parts) * PART, np.uint16)
    ends = np.empty(len(parts), np.int64)
    for i in prange(len(parts)):
        ends[i] = _search_part(view, np.int64(i), parts, found, cells)
    count = 0
    for i in range(len(parts)):
        for j in range(i * PART, ends[i]):
            found[count], cells[count] = found[j], cells[j]
            count += 1
    return found[:count], cells[:count]


@njit(cache=True, nogil=True, error_model="numpy")
def _search_part(view, i, parts, found, cells):
    stack = np.empty((8 * (PART_LEVEL + 1), 4), np.int64)
    stack[0, :3], stack[0, 3] = parts[i], PART_LEVEL
    return _descend(view, stack, 0, found, cells, i * PART)


@njit(cache=True, nogil=True, error_model="numpy")
def _descend(view, stack, bottom, found, cells, count):
    """Puts the cubes of level `bottom` within the cube on the stack into `found` from `count` on, and what was seen of
    their halves into `cells`, as many as fit; gives their number."""
    boxes = np.empty(6 * 8)
    waiting = 1
    while waiting > 0:
        waiting -= 1
        x, y, z, level = stack[waiting]
        seen = _look(view, x, y, z, level, boxes)
        near = seen & ((1 << BEFORE) - 1)
        if level > bottom:
            for half in range(7, -1, -1):
                if near >> half & 1:
                    stack[waiting] = 2 * x + (half >> 2), 2 * y + (half >> 1 & 1), 2 * z + (half & 1), level - 1
                    waiting += 1
        elif near > 0:
            if count < len(found):
                found[count] = x, y, z
            if count < len(cells):
                cells[count] = seen
            count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _look(view, x, y, z, level, boxes):
    """The bits of `blocks_in_view` for the eight halves of a cube of 2^level blocks; the halves of blocks are cells.
    `boxes` f64 [6*8] is to work in."""
    side = CELL_SIZE << level
    _boxes_of_halves(view, x, y, z, side, boxes)
    windows, overall, rows, columns = view.windows, view.overall, view.rows, view.columns
    seen = 0
    for half in range(8):
        if boxes[8 + half] < 0 or boxes[24 + half] < 0:
            continue
        left, right = np.int64(boxes[half]), min(np.int64(boxes[8 + half]), columns - 1)
        top, bottom = np.int64(boxes[16 + half]), min(np.int64(boxes[24 + half]), rows - 1)
        if left > right or top > bottom:
            continue
        near, far = least_within(windows, overall, rows, columns, top, bottom, left, right)
        if -far >= boxes[32 + half]:
            seen |= (1 if near <= boxes[40 + half] else 1 << BEFORE) << half
    return seen


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _boxes_of_halves(view, x, y, z, side, boxes):
    """First and last column and row of tiles that the samples in each half of a cube may project to, the last below
    zero or before the first where to none; least and greatest depth."""
    voxel, R, t = view.voxel_size_m, view.R_scaled, view.t_grid_cam
    middle = side - 0.5
    px = (2 * x * side + middle) * voxel - t[0]
    py = (2 * y * side + middle) * voxel - t[1]
    pz = (2 * z * side + middle) * voxel - t[2]
    quarter, extent = 0.5 * side * voxel, 0.5 * (side - 1) * voxel  # to a half's middle, and from there to its samples
    corners, reach = view.corners, view.reach
    halves = len(corners) // 3  # eight, but a compiler that knows would not make vector code of so few
    deep = extent * reach[2] + ROUNDING_M
    per_tile, zero = 1 / TILE, 0.0
    z0 = R[2, 0] * px + R[2, 1] * py + R[2, 2] * pz
    for half in range(halves):
        depth = z0 + quarter * corners[16 + half]
        boxes[32 + half], boxes[40 + half] = depth - deep, depth + deep
    for axis in range(2):
        middle = R[axis, 0] * px + R[axis, 1] * py + R[axis, 2] * pz
        wide, centre = extent * reach[axis], view.cu if axis == 0 else view.cv
        length = np.float64(view.width if axis == 0 else view.height)
        to, at = np.uint64(16 * axis), np.uint64(8 * axis)
        for half in range(halves):
            i = np.uint64(half)
            nearest, farthest = boxes[np.uint64(32) + i], boxes[np.uint64(40) + i]
            by_nearest = 1 / (nearest if nearest > NEAREST_M else NEAREST_M)
            by_farthest = 1 / (farthest if farthest > NEAREST_M else NEAREST_M)
            low = middle + quarter * corners[at + i] - wide
            high = low + 2 * wide
            first = low * (by_nearest if low < 0 else by_farthest) + (centre - ROUNDING_PX)
            last = high * (by_farthest if high < 0 else by_nearest) + (centre + ROUNDING_PX)
            first = first if (nearest > NEAREST_M) & (first > 0) else zero
            last = last if (nearest > NEAREST_M) & (last < length) else length
            boxes[to + i] = first * per_tile
            boxes[to + np.uint64(8) + i] = last * per_tile if farthest > 0 else -1.0
