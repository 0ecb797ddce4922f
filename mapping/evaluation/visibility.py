"""What true cameras saw of a true surface: the rest of it is no fault of an estimate."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from mapping.evaluation.surface import Triangles
from mapping.surface.raycast import open3d
from streammtl.camera import Camera

POSES = 60  # at most, evenly along the path
WIDTH = 320  # pixels of the depth images that decide
TOLERANCE_M = 0.03


class VisibleSurface:
    """Whether points of a surface were seen by any camera, in front of everything else.

    Depth of the surface is rendered from up to 60 poses at 320 pixels width; a point is seen when it is no farther than
    3 cm behind the farthest depth that one of them shows within a pixel of it.
    """

    def __init__(self, surface: Triangles, T_world_cam: np.ndarray, camera: Camera) -> None:
        """T_world_cam f64 [N,4,4]; camera: pinhole of the recording's images."""
        step = max(1, len(T_world_cam) // POSES)
        self._T_cam_world = np.linalg.inv(T_world_cam[::step])
        self._camera = camera.scaled(WIDTH, round(WIDTH * camera.height / camera.width))
        scene = open3d().t.geometry.RaycastingScene()
        scene.add_triangles(surface.vertices.astype(np.float32), np.ascontiguousarray(surface.faces, np.uint32))
        self._depth = [self._render(scene, T) for T in self._T_cam_world]

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """bool [N] for points [N,3] of the surface, in its world."""
        camera, seen = self._camera, np.zeros(len(points), dtype=bool)
        for T, depth in zip(self._T_cam_world, self._depth, strict=True):
            unseen = np.flatnonzero(~seen)
            x, y, z = (points[unseen] @ T[:3, :3].T + T[:3, 3]).T
            with np.errstate(divide="ignore", invalid="ignore"):
                u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
            inside = (z > 1e-6) & (u > -0.5) & (v > -0.5) & (u < camera.width - 0.5) & (v < camera.height - 0.5)
            column, row = np.rint(u[inside]).astype(int), np.rint(v[inside]).astype(int)
            seen[unseen[inside]] = z[inside] <= depth[row, column] + TOLERANCE_M
        return seen

    def _render(self, scene: Any, T_cam_world: np.ndarray) -> np.ndarray:
        """Depth along the optical axis f32 [h,w]; the farthest of each pixel's 3 x 3 neighbourhood, for slopes."""
        camera, T = self._camera, np.linalg.inv(T_cam_world)
        u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
        rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], axis=-1)
        origins = np.broadcast_to(T[:3, 3], rays.shape)
        lines = np.concatenate([origins, rays @ T[:3, :3].T], axis=-1).astype(np.float32)
        depth = scene.cast_rays(open3d().core.Tensor(lines))["t_hit"].numpy()
        return cv2.dilate(np.where(np.isfinite(depth), depth, 0).astype(np.float32), np.ones((3, 3), np.uint8))
