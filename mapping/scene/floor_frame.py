"""The frame in which a map stands upright: z up, its floor at z = 0, walls along x and y."""

from __future__ import annotations

import numpy as np

from mapping.surface.framing import along_walls, face_normals, upright
from mapping.surface.mesh import Mesh

_LEVEL = 0.9  # cosine: faces this level belong to floors and tops of furniture
_BIN_M = 0.04
_FLOOR_SHARE = 0.25  # of the largest level surface, what the floor shows of itself at least


def floor_frame(mesh: Mesh, T_world_cam: np.ndarray, floor_id: int | None = None) -> np.ndarray:
    """T_world_floor f64 [4,4]; its origin lies on the floor below the first pose.

    T_world_cam f64 [N,4,4]: poses, all finite. `floor_id`: the label of floors, if the map has labels. Where hardly any
    floor is labelled, it is the lowest large level surface that faces up.
    """
    up = upright(mesh, T_world_cam)
    x = along_walls(mesh, up) if len(mesh.faces) else np.cross(up, [0.0, 0, 1] if abs(up[2]) < 0.8 else [1.0, 0, 0])
    T = np.eye(4)
    T[:3, :3] = np.stack([x, np.cross(up, x), up], axis=1)
    start = T_world_cam[0, :3, 3] if len(T_world_cam) else np.zeros(3)
    T[:3, 3] = start + (_floor_height(mesh, up, floor_id) - start @ up) * up
    return T


def _floor_height(mesh: Mesh, up: np.ndarray, floor_id: int | None) -> float:
    """Along `up`; the lowest point where nothing is level."""
    normals = face_normals(mesh)
    area = np.linalg.norm(normals, axis=1)
    level = normals @ up > _LEVEL * area
    if floor_id is not None:
        labelled = level & (mesh.labels[mesh.faces] == floor_id).all(1)
        level = labelled if area[labelled].sum() > 0.1 * area[level].sum() else level
    if not level.any():
        return float((mesh.vertices @ up).min(initial=0.0))
    height, area = (mesh.vertices[mesh.faces[level, 0]] @ up).astype(np.float64), area[level]
    bins = np.floor((height - height.min()) / _BIN_M).astype(int)
    total = np.bincount(bins, area)
    total = np.convolve(total, np.ones(3), "same")
    lowest = int(np.argmax(total >= _FLOOR_SHARE * total.max()))
    while lowest + 1 < len(total) and total[lowest + 1] > total[lowest]:
        lowest += 1
    near = np.abs(bins - lowest) <= 1
    return float(np.average(height[near], weights=area[near]))
