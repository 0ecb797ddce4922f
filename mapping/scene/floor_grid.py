"""A map seen from above: which cells of its floor are free, occupied or unknown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numba import njit

from mapping.records import KeyframeRecord
from mapping.scene.settings import SceneSettings
from mapping.surface.mesh import Mesh

_FULL = 0.2  # of a cell's area: this much surface above it occupies it
_WALL = 2.0  # the same of a wall: at least two cells high
_PIXELS = 80  # rays across a depth image
_MARGIN_CELLS = 4


@dataclass(frozen=True)
class FloorGrid:
    """Cells [rows, columns] on the floor. Column i spans x from origin[0] + i * cell_m, row j likewise y, both in the
    floor's frame (z up)."""

    T_world_floor: np.ndarray  # f64 [4,4]
    origin: np.ndarray  # f64 [2] of the outer corner of cell [0,0], m
    cell_m: float
    free: np.ndarray  # bool [h,w] seen through, or floor, and nothing there between the heights asked for
    occupied: np.ndarray  # bool [h,w] a surface between the heights asked for
    wall: np.ndarray  # bool [h,w] what bounds rooms: labelled walls, or upright surfaces up to above head height
    wall_vertices: np.ndarray  # i64 [n] of the mesh that belong to it

    def cells(self, points: np.ndarray) -> np.ndarray:
        """Cells (row, column) i64 [N,2] of points [N,3] of the world; they may lie outside the grid."""
        local = (points - self.T_world_floor[:3, 3]) @ self.T_world_floor[:3, :2]
        return np.floor((local - self.origin) / self.cell_m).astype(np.int64)[:, ::-1]

    def world(self, cells: np.ndarray, height_m: float = 0.0) -> np.ndarray:
        """Points f64 [N,3] of the world above the centres of cells (row, column) [N,2]."""
        xy = (np.asarray(cells)[:, ::-1] + 0.5) * self.cell_m + self.origin
        local = np.concatenate([xy, np.full((len(xy), 1), height_m)], axis=1)
        return local @ self.T_world_floor[:3, :3].T + self.T_world_floor[:3, 3]


def floor_grid(
    mesh: Mesh,
    T_world_floor: np.ndarray,
    keyframes: Iterable[tuple[np.ndarray, KeyframeRecord]],
    settings: SceneSettings,
    wall_ids: tuple[int, ...] = (),
) -> FloorGrid:
    """Occupied by the surface, free where the rays of keyframes (T_world_cam and record) passed between the heights.

    `wall_ids`: labels of walls and what belongs to them, such as windows; where none of them is seen, walls are upright
    surfaces below which, or in which, something upright is higher than the `high_m` of the settings.
    """
    R = T_world_floor[:3, :3]
    points = (mesh.vertices.astype(np.float64) - T_world_floor[:3, 3]) @ R
    low, high = (points[:, :2].min(0), points[:, :2].max(0)) if len(points) else (np.zeros(2), np.zeros(2))
    origin = (np.floor(low / settings.cell_m) - _MARGIN_CELLS) * settings.cell_m
    width, height = (np.ceil((high - origin) / settings.cell_m).astype(int) + _MARGIN_CELLS).tolist()
    cell = np.floor((points[:, :2] - origin) / settings.cell_m).astype(np.int64) @ [1, width]
    area = vertex_areas(mesh) / settings.cell_m**2

    def filled(chosen: np.ndarray, share: float = _FULL) -> np.ndarray:
        total = np.bincount(cell[chosen], area[chosen], minlength=width * height)
        return (total > share).reshape(height, width)

    z = points[:, 2]
    occupied = filled((z > settings.low_m) & (z < settings.high_m))
    steep = np.abs(mesh.normals @ R[:, 2]) < 0.4
    upright = steep & (z > settings.low_m) & (z < settings.high_m)  # what is above a door bounds nothing
    of_wall = upright & np.isin(mesh.labels, wall_ids)
    if not of_wall.any():
        of_wall = upright & filled(steep & (z > settings.high_m)).reshape(-1)[cell]
    wall = filled(of_wall, _WALL)
    of_wall &= wall.reshape(-1)[cell]
    through = np.zeros((height, width), bool)
    for T_world_cam, keyframe in keyframes:
        _carve_frame(through, T_world_floor, T_world_cam, keyframe, origin, settings)
    free = (through | filled(np.abs(z) <= settings.low_m, 0.5)) & ~occupied
    return FloorGrid(T_world_floor, origin, settings.cell_m, free, occupied, wall, np.flatnonzero(of_wall))


def vertex_areas(mesh: Mesh) -> np.ndarray:
    """A third of the area of the triangles around each vertex, f64 [N]."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    third = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    return sum(
        (np.bincount(mesh.faces[:, i], third, len(mesh.vertices)) for i in range(3)), np.zeros(len(mesh.vertices))
    )


def _carve_frame(
    free: np.ndarray,
    T_world_floor: np.ndarray,
    T_world_cam: np.ndarray,
    keyframe: KeyframeRecord,
    origin: np.ndarray,
    settings: SceneSettings,
) -> None:
    h, w = keyframe.depth_m.shape
    camera = keyframe.camera.scaled(w, h)
    step = max(1, w // _PIXELS)
    y, x = np.mgrid[step // 2 : h : step, step // 2 : w : step].reshape(2, -1)
    depth = keyframe.depth_m[y, x].astype(np.float64)
    good = np.isfinite(depth) & (depth > 0)
    y, x, depth = y[good], x[good], depth[good]
    local = np.stack([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, np.ones(x.shape)], -1) * depth[:, None]
    T = np.linalg.inv(T_world_floor) @ T_world_cam
    ends = local @ T[:3, :3].T + T[:3, 3]
    _carve(free, T[:3, 3].copy(), ends, origin, settings.cell_m, settings.low_m, settings.high_m)


@njit(cache=True, nogil=True)
def _carve(free, start, ends, origin, cell, low, high):
    """Marks cells that rays from a point to their ends pass between two heights, but not the last cell and a half."""
    height, width = free.shape
    for i in range(len(ends)):
        d = ends[i] - start
        length = np.sqrt((d * d).sum())
        steps = int((length - 1.5 * cell) / (0.5 * cell))
        for k in range(steps):
            t = k * 0.5 * cell / length
            z = start[2] + t * d[2]
            if low < z < high:
                column = int(np.floor((start[0] + t * d[0] - origin[0]) / cell))
                row = int(np.floor((start[1] + t * d[1] - origin[1]) / cell))
                if 0 <= row < height and 0 <= column < width:
                    free[row, column] = True
