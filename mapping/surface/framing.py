"""From where a map is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mapping.surface.mesh import Mesh
from streammtl.camera import Camera

_MARGIN = 1.05
_FIELD_OF_VIEW_DEG = 42.0
_LOOKING_DOWN_DEG = 42.0


@dataclass(frozen=True)
class View:
    """A pinhole or a parallel view. Axes as a camera's: x right, y down, z forward; pixel centres at integers."""

    width: int
    height: int
    scale: tuple[float, float]  # pinhole: focal lengths in pixels; parallel: pixels per metre
    centre: tuple[float, float]  # pixels
    T_world_view: np.ndarray  # f64 [4,4]
    parallel: bool = False

    @classmethod
    def pinhole(cls, camera: Camera, T_world_cam: np.ndarray) -> View:
        return cls(camera.width, camera.height, (camera.fx, camera.fy), (camera.cx, camera.cy), np.asarray(T_world_cam))

    def rays(self) -> tuple[np.ndarray, np.ndarray]:
        """Origins and directions of all pixels' rays, row by row, f64 [N,3] or [1,3]; directions have depth one."""
        R, t = self.T_world_view[:3, :3], self.T_world_view[:3, 3]
        v, u = np.mgrid[: self.height, : self.width].reshape(2, -1)
        x, y = (u - self.centre[0]) / self.scale[0], (v - self.centre[1]) / self.scale[1]
        if self.parallel:
            return np.stack([x, y, np.zeros_like(x)], -1) @ R.T + t, R[None, :, 2]
        return t[None], np.stack([x, y, np.ones_like(x)], -1) @ R.T

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels [N,2] and depths [N] of points [N,3]."""
        x, y, z = ((points - self.T_world_view[:3, 3]) @ self.T_world_view[:3, :3]).T
        divisor = 1.0 if self.parallel else np.maximum(z, 1e-6)
        uv = np.stack([x, y], -1) / (divisor if self.parallel else divisor[:, None]) * self.scale + self.centre
        return uv, z

    def faces_towards(self, mesh: Mesh) -> np.ndarray:
        """Which faces bool [F] turn their free side to the viewer."""
        a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
        rays = self.T_world_view[:3, 2] if self.parallel else a - self.T_world_view[:3, 3]
        return (np.cross(b - a, c - a) * rays).sum(1) < 0


def face_normals(mesh: Mesh) -> np.ndarray:
    """f64 [F,3], as long as twice the area."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    return np.cross(b - a, c - a)


def upright(mesh: Mesh, T_world_cam: np.ndarray | None) -> np.ndarray:
    """Unit [3], up: the mean of the cameras' up, corrected by the level surfaces near it, floors and tables above all.

    Without poses, the first camera's axes are taken to be the world's (up is -y).
    """
    up = np.array([0.0, -1.0, 0.0])
    if T_world_cam is not None and len(T_world_cam):
        mean = -np.asarray(T_world_cam)[:, :3, 1].mean(0)
        up = mean / np.linalg.norm(mean) if np.linalg.norm(mean) > 1e-3 else up
    normals = face_normals(mesh)
    length = np.linalg.norm(normals, axis=1)
    for within_deg in (35, 25, 15, 10):
        level = normals[normals @ up > np.cos(np.deg2rad(within_deg)) * length]
        if np.linalg.norm(level.sum(0)) < 0.02 * length.sum():
            break
        up = level.sum(0) / np.linalg.norm(level.sum(0))
    return up


def along_walls(mesh: Mesh, up: np.ndarray) -> np.ndarray:
    """Unit [3], level: the direction that most walls are parallel or square to."""
    e1 = np.cross(up, [0.0, 0, 1] if abs(up[2]) < 0.8 else [1.0, 0, 0])
    e1 /= np.linalg.norm(e1)
    e2 = np.cross(up, e1)
    normals = face_normals(mesh)
    steep = np.abs(normals @ up) < 0.3 * np.linalg.norm(normals, axis=1)
    x, y = normals[steep] @ e1, normals[steep] @ e2
    # walls a quarter turn apart share a bin; the fullest one and its neighbours decide, so that slanted walls do not
    turn = np.arctan2(y, x) % (np.pi / 2)
    total = np.bincount((turn * (180 / np.pi)).astype(int) % 90, np.hypot(x, y), minlength=90)
    near = sum(np.roll(total, shift) for shift in range(-3, 4))
    middle = np.deg2rad(np.argmax(near) + 0.5)
    off = (turn - middle + np.pi / 4) % (np.pi / 2) - np.pi / 4
    chosen = np.abs(off) < np.deg2rad(3.5)
    angle = middle + np.average(off[chosen], weights=np.hypot(x, y)[chosen]) if chosen.any() else 0.0
    return np.cos(angle) * e1 + np.sin(angle) * e2


def straight_down(mesh: Mesh, kept: np.ndarray, up: np.ndarray, path: np.ndarray, width: int) -> View:
    """A parallel view from above on the kept faces and a path [N,3], their longer side across, `width` pixels wide."""
    right = along_walls(mesh, up)
    points = mesh.vertices[np.unique(mesh.faces[kept])] if kept.any() else mesh.vertices
    points = points if len(points) else np.zeros((1, 3))
    other = np.cross(up, right)
    spans = [np.ptp(np.percentile(points @ axis, (0.5, 99.5))) for axis in (right, other)]
    if spans[1] > spans[0]:
        right, other = other, -right
    R = np.stack([right, np.cross(-up, right), -up], axis=1)
    ends = np.concatenate([np.percentile(points @ R[:, :2], (0.5, 99.5), axis=0), path @ R[:, :2]])
    low, high = ends.min(0), ends.max(0)
    span = _MARGIN * np.maximum(high - low, 1e-6)
    per_metre = width / span[0]
    height = int(np.clip(round(per_metre * span[1]), 16, 4 * width)) // 2 * 2
    T = np.eye(4)
    T[:3, :3] = R
    middle = (low + high) / 2
    T[:3, 3] = R @ [*middle, min((points @ R[:, 2]).min(), (path @ R[:, 2]).min(initial=np.inf)) - 1.0]
    return View(width, height, (per_metre, per_metre), ((width - 1) / 2, (height - 1) / 2), T, parallel=True)


def looking_into(mesh: Mesh, up: np.ndarray, path: np.ndarray, size: tuple[int, int]) -> View:
    """A pinhole view from above at a slant, map and path [N,3] in the picture, from where most of the surface shows."""
    width, height = size
    focal = 0.5 * height / np.tan(np.deg2rad(_FIELD_OF_VIEW_DEG) / 2)
    points = mesh.vertices[:: max(1, len(mesh.vertices) // 50_000)].astype(np.float64)
    points = points if len(points) else np.zeros((1, 3))
    wall = along_walls(mesh, up)
    best, shown = None, -np.inf
    normals, centres = face_normals(mesh), mesh.vertices[mesh.faces[:, 0]].astype(np.float64)
    for angle in np.deg2rad(np.arange(0, 360, 30) + 15):
        level = np.cos(angle) * wall + np.sin(angle) * np.cross(up, wall)
        down = np.deg2rad(_LOOKING_DOWN_DEG)
        forward = np.cos(down) * level - np.sin(down) * up
        right = np.cross(forward, up)
        R = np.stack([right / np.linalg.norm(right), np.zeros(3), forward], axis=1)
        R[:, 1] = np.cross(R[:, 2], R[:, 0])
        T = _far_enough(R, points, path, focal, width, height)
        away = centres - T[:3, 3]
        # the solid angle of all faces that turn to the viewer
        seen = np.maximum(-(normals * away).sum(1), 0) / np.linalg.norm(away, axis=1) ** 3
        if seen.sum() > shown:
            best, shown = T, seen.sum()
    return View(width, height, (focal, focal), ((width - 1) / 2, (height - 1) / 2), best)


def _far_enough(
    R: np.ndarray, points: np.ndarray, path: np.ndarray, focal: float, width: int, height: int
) -> np.ndarray:
    """T_world_view with rotation R from where nearly all points and the path are in the picture, which they fill."""
    local = points @ R
    low, high = np.percentile(local, (0.5, 99.5), axis=0)
    local = local[((local >= low) & (local <= high)).all(1)] if len(local) > 100 else local
    local = np.concatenate([local, path @ R])
    tan_x, tan_y = width / (2 * focal * _MARGIN), height / (2 * focal * _MARGIN)
    # planes through the picture's sides touch the points: each pair fixes where between them the eye is, and how far
    eye = np.empty(3)
    ranges = []
    for axis, tan in ((0, tan_x), (1, tan_y)):
        ahead, behind = (local[:, axis] - tan * local[:, 2]).max(), (-local[:, axis] - tan * local[:, 2]).max()
        eye[axis] = (ahead - behind) / 2
        ranges.append(-(ahead + behind) / (2 * tan))
    eye[2] = min(ranges)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, R @ eye
    return T
