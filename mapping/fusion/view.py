"""A camera and the depth that it sees, as the search for blocks takes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from mapping.fusion.depth_windows import depth_windows
from mapping.records import BLOCK_SIZE

ROUNDING_M = 1e-5


class View(NamedTuple):
    """A camera and the depth that it sees."""

    height: int
    width: int
    cu: float  # px, the principal point from the image's corner
    cv: float
    R_scaled: np.ndarray  # f64 [3,3] from the grid to the camera, x and y times the focal length
    t_grid_cam: np.ndarray  # f64 [3] m
    corners: np.ndarray  # f64 [3*8], R_scaled times (+-1, +-1, +-1)
    reach: np.ndarray  # f64 [3], the greatest of `corners`
    rows: int  # of tiles
    columns: int
    windows: np.ndarray  # of depth, flat, and
    overall: np.ndarray  # as `depth_windows` gives them
    voxel_size_m: float


@njit(cache=True, nogil=True)
def view_of(tiles, height, width, k, T_grid_cam, voxel_size_m):
    """A View from the tiles of `PixelMaps`, intrinsics and a pose f64 [4,4]. All compiled: a few numbers cost NumPy
    more than the pixels of a tile row."""
    windows, overall = depth_windows(tiles)
    R_scaled, corners, reach = np.empty((3, 3)), np.zeros(24), np.zeros(3)
    for axis in range(3):
        scale = k.fx if axis == 0 else k.fy if axis == 1 else 1.0
        for j in range(3):
            R_scaled[axis, j] = scale * T_grid_cam[j, axis]
            reach[axis] += abs(R_scaled[axis, j])
            for corner in range(8):
                sign = 2.0 * (corner >> (2 - j) & 1) - 1.0
                corners[8 * axis + corner] += sign * R_scaled[axis, j]
    rows, columns = tiles.shape[0], tiles.shape[1]
    t = np.ascontiguousarray(T_grid_cam[:3, 3])
    cu, cv, flat = k.cx + 0.5, k.cy + 0.5, windows.reshape(-1)
    return View(height, width, cu, cv, R_scaled, t, corners, reach, rows, columns, flat, overall, voxel_size_m)


@njit(cache=True, nogil=True)
def cubes_around(view, k, T, level):
    """First and last cube i64 [3] of 2^level blocks a side of the box around the view as far as there is depth; how
    far from the origin of the grid that reaches, or less far, along any axis."""
    farthest_m, t = -np.float64(view.overall[1]), view.t_grid_cam
    low, high, longest = t.copy(), t.copy(), 0.0
    for u in (-0.5, view.width - 0.5):
        for v in (-0.5, view.height - 0.5):
            x, y, z = farthest_m * (u - k.cx) / k.fx, farthest_m * (v - k.cy) / k.fy, farthest_m
            longest = max(longest, np.sqrt(x * x + y * y + z * z))
            for axis in range(3):
                at = T[axis, 0] * x + T[axis, 1] * y + T[axis, 2] * z + t[axis]
                low[axis], high[axis] = min(low[axis], at), max(high[axis], at)
    block_m = view.voxel_size_m * BLOCK_SIZE
    cube_m, margin = block_m * (1 << level), ROUNDING_M + block_m
    first, last = np.empty(3, np.int64), np.empty(3, np.int64)
    for axis in range(3):
        first[axis] = np.int64(np.floor((low[axis] - margin) / cube_m))
        last[axis] = np.int64(np.floor((high[axis] + margin) / cube_m))
    return first, last, np.abs(t).max() + longest
