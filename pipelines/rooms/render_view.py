"""What the camera sees in one frame of a path, and where that goes."""

from __future__ import annotations

import numpy as np
import torch

from mapping.surface.room_rays import SceneCaster, camera_rays, pixel_grid
from pipelines.rooms.camera_path import BLUR_PROBE_S, CameraPath
from pipelines.rooms.shading_filter import LightGrid
from pipelines.rooms.shading_lights import LightSampler
from pipelines.rooms.shading_surfaces import Surfaces, SurfaceTable
from pipelines.rooms.truth_motion import moved_points, projected
from streammtl.data.rooms.scene import Scene

LIGHT_STEP = 2  # light is computed on every second pixel of every second row


class View:
    """Frame `i` of a path at `size` (height, width): `found` on all pixel centres `pixels` f32 [n,2], row by row."""

    def __init__(
        self, scene: Scene, caster: SceneCaster, table: SurfaceTable, path: CameraPath, i: int, size: tuple[int, int]
    ) -> None:
        self.pose, self.time_s, self.size = path.T_world_cam[i], float(path.timestamp_s[i]), size
        self._path, self._i, self._table, self._moving = path, i, table, scene.moving
        self._caster = caster.at(self.time_s)
        self.pixels = torch.from_numpy(pixel_grid(*size))
        self.found = self.look(self.pixels)
        self._part = torch.where(self.found.hit, table.part[self.found.triangle], -1)

    def look(self, pixels: torch.Tensor) -> Surfaces:
        """What lies at pixels f32 [n,2] (x, y)."""
        rays = camera_rays(self._path.K, self.pose, pixels.numpy())
        return self._table.find(self._caster.hits(rays), rays, self.time_s, 1.0 / float(self._path.K[0, 0]))

    def light_grid(self, lights: LightSampler, shift: np.ndarray) -> LightGrid:
        """Diffuse light and highlights, six channels, for any pixel of this view."""
        height, width = self.size
        index = torch.arange(height * width).reshape(self.size)[::LIGHT_STEP, ::LIGHT_STEP]
        at = self.found.take(index.flatten())
        light = lights.light(at, self._caster, index.shape[1], shift)
        return LightGrid(torch.cat([light.diffuse, light.highlight]), at, *index.shape, LIGHT_STEP)

    def image_motion(self) -> torch.Tensor:
        """f32 [2,H,W] pixels per second at which what is seen moves over the picture."""
        points = self._points_at(self.time_s + BLUR_PROBE_S)
        later = projected(points, self._path.K, self._path.T_world_cam_later[self._i])
        motion = (later - self.pixels.t()) / BLUR_PROBE_S
        return torch.where(self.found.hit, motion, 0.0).nan_to_num_(0.0).float().reshape(2, *self.size)

    def flow(self) -> np.ndarray:
        """f16 [H,W,2] pixels to the next frame; NaN on the last frame and where there is nothing."""
        if self._is_last:
            return np.full((*self.size, 2), np.nan, np.float16)
        points = self._points_at(float(self._path.timestamp_s[self._i + 1]))
        there = projected(points, self._path.K, self._path.T_world_cam[self._i + 1])
        return self._map(there - self.pixels.t())

    def scene_flow(self) -> np.ndarray:
        """f16 [H,W,3] metres that things move by themselves until the next frame, along this frame's camera axes.

        NaN on the last frame and where there is nothing.
        """
        if self._is_last:
            return np.full((*self.size, 3), np.nan, np.float16)
        points = self._points_at(float(self._path.timestamp_s[self._i + 1]))
        to_camera = torch.from_numpy(self.pose[:3, :3].T.copy())
        return self._map(to_camera @ (points - self.found.point))

    @property
    def _is_last(self) -> bool:
        return self._i + 1 == len(self._path.timestamp_s)

    def _points_at(self, time_s: float) -> torch.Tensor:
        return moved_points(self.found.point, self._part, self._moving, self.time_s, time_s)

    def _map(self, values: torch.Tensor) -> np.ndarray:
        values = torch.where(self.found.hit, values, torch.nan)
        return values.t().reshape(*self.size, -1).numpy().astype(np.float16)
