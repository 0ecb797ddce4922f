"""Rays against a room: what they hit first, what they are blocked by, how far points are from surfaces.

The room itself never moves and is built once; moving parts get a small structure of their own at every instant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import open3d as o3d

from streammtl.data.rooms.scene import MovingPart, Scene

NOTHING = -1


@dataclass(frozen=True)
class Hits:
    """First hits of n rays. Triangles count through the room's mesh, then through every moving part's."""

    distance: np.ndarray  # f32 [n] in lengths of the ray's direction; inf = nothing
    triangle: np.ndarray  # i64 [n]; NOTHING where nothing was hit
    bary: np.ndarray  # f32 [n,2] weights of corners 1 and 2


class TriangleCaster:
    """Triangles that rays [n,6] (origin, direction; f32, world) are cast at, on one thread."""

    def __init__(self, corners: np.ndarray) -> None:
        """`corners` f32 [M,3,3] in metres."""
        self._scene = o3d.t.geometry.RaycastingScene(nthreads=1)
        vertices = np.ascontiguousarray(corners, np.float32).reshape(-1, 3)
        triangles = np.arange(len(vertices), dtype=np.uint32).reshape(-1, 3)
        self._scene.add_triangles(o3d.core.Tensor(vertices), o3d.core.Tensor(triangles))

    def hits(self, rays: np.ndarray) -> Hits:
        answer = self._scene.cast_rays(o3d.core.Tensor.from_numpy(rays), nthreads=1)
        distance = answer["t_hit"].numpy()
        triangle = answer["primitive_ids"].numpy().astype(np.int64)
        triangle[~np.isfinite(distance)] = NOTHING
        return Hits(distance, triangle, answer["primitive_uvs"].numpy())

    def blocked(self, rays: np.ndarray) -> np.ndarray:
        """bool [n]: something lies between the origin and the end of the direction vector."""
        rays = o3d.core.Tensor.from_numpy(rays)
        return self._scene.test_occlusions(rays, tnear=0.0, tfar=1.0, nthreads=1).numpy()

    def distance_m(self, points: np.ndarray) -> np.ndarray:
        """f32 [n] metres from points f32 [n,3] to the nearest surface."""
        points = np.ascontiguousarray(points, np.float32)
        return self._scene.compute_distance(o3d.core.Tensor.from_numpy(points), nthreads=1).numpy()


def part_pose(part: MovingPart, time_s: float) -> np.ndarray:
    """f64 [4,4] moves a part's points from where they are at time 0 to where they are at `time_s`."""
    angle = part.turn * time_s
    c, s = np.cos(angle), np.sin(angle)
    pose = np.eye(4)
    pose[:2, :2] = [[c, -s], [s, c]]
    pivot = np.asarray(part.pivot, np.float64)
    pose[:3, 3] = pivot - pose[:3, :3] @ pivot + _moved(part, time_s)
    return pose


def _moved(part: MovingPart, time_s: float) -> np.ndarray:
    """f64 [3] metres since time 0; between the knots of a way evenly, before and after them at rest."""
    if part.way is None:
        return np.asarray(part.velocity, np.float64) * time_s
    return np.array([np.interp(time_s, part.way[:, 0], part.way[:, axis]) for axis in (1, 2, 3)])


@dataclass(frozen=True)
class InstantCaster:
    """The room with its moving parts where they are at one instant."""

    room: TriangleCaster
    parts: TriangleCaster | None
    room_triangles: int

    def hits(self, rays: np.ndarray) -> Hits:
        found = self.room.hits(rays)
        if self.parts is None:
            return found
        other = self.parts.hits(rays)
        nearer = other.distance < found.distance
        return Hits(
            np.where(nearer, other.distance, found.distance),
            np.where(nearer, other.triangle + self.room_triangles, found.triangle),
            np.where(nearer[:, None], other.bary, found.bary),
        )

    def blocked(self, rays: np.ndarray) -> np.ndarray:
        blocked = self.room.blocked(rays)
        return blocked if self.parts is None else blocked | self.parts.blocked(rays)

    def distance_m(self, points: np.ndarray) -> np.ndarray:
        distance = self.room.distance_m(points)
        return distance if self.parts is None else np.minimum(distance, self.parts.distance_m(points))


class SceneCaster:
    """Ray casting for one scene."""

    def __init__(self, scene: Scene) -> None:
        self._room = TriangleCaster(scene.mesh.corners)
        self._count = len(scene.mesh.corners)
        self._moving = scene.moving

    def at(self, time_s: float) -> InstantCaster:
        parts = None
        if self._moving:
            poses = [part_pose(part, time_s) for part in self._moving]
            corners = [
                part.mesh.corners @ pose[:3, :3].T + pose[:3, 3] for part, pose in zip(self._moving, poses, strict=True)
            ]
            parts = TriangleCaster(np.concatenate(corners))
        return InstantCaster(self._room, parts, self._count)


def camera_rays(K: np.ndarray, T_world_cam: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """f32 [n,6] rays through pixels [n,2] (x, y; integers are centres), with directions one metre long along the
    optical axis, so that the distance of a hit is its depth."""
    local = np.empty((len(pixels), 3), np.float32)
    local[:, 0] = (pixels[:, 0] - K[0, 2]) / K[0, 0]
    local[:, 1] = (pixels[:, 1] - K[1, 2]) / K[1, 1]
    local[:, 2] = 1.0
    rays = np.empty((len(pixels), 6), np.float32)
    rays[:, :3] = T_world_cam[:3, 3]
    rays[:, 3:] = local @ T_world_cam[:3, :3].T.astype(np.float32)
    return rays


def pixel_grid(height: int, width: int) -> np.ndarray:
    """f32 [height*width,2] pixel centres (x, y), row by row."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([x.ravel(), y.ravel()], axis=1)
