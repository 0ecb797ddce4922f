"""Renders clips: pictures as a hand-held camera takes them, with exact truth."""

from __future__ import annotations

import numpy as np
import torch

from streammtl.data.clip import Clip
from streammtl.data.rooms.camera_path import BLUR_PROBE_S, CameraPath
from streammtl.data.rooms.raycasting import InstantCaster, SceneCaster, camera_rays, pixel_grid
from streammtl.data.rooms.render_settings import RenderSettings
from streammtl.data.rooms.scene import Scene
from streammtl.data.rooms.sensor import Sensor, SensorDraw
from streammtl.data.rooms.shading_filter import LightGrid
from streammtl.data.rooms.shading_lights import LightSampler
from streammtl.data.rooms.shading_surfaces import Surfaces, SurfaceTable
from streammtl.data.rooms.shading_textures import srgb_of_linear
from streammtl.data.rooms.truth import FrameTruth, frame_truth
from streammtl.data.rooms.truth_boundaries import changes
from streammtl.data.rooms.truth_motion import moved_points, projected

LIGHT_STEP = 2  # light is computed on every second pixel of every second row
# Places of the extra samples on edges, pixels from the centre: far from each other and from it in x and in y.
EDGE_PLACES = ((-0.375, 0.125), (0.125, 0.375), (0.375, -0.125), (-0.125, -0.375))


class Renderer:
    """Renders frames of one scene. Building it costs about as much as two frames."""

    def __init__(self, scene: Scene, settings: RenderSettings) -> None:
        self.scene, self.settings = scene, settings
        self.caster = SceneCaster(scene)
        self.table = SurfaceTable(scene)
        self._lights = LightSampler(scene, settings.lighting)

    def clip(self, path: CameraPath, size: tuple[int, int], rng: np.random.Generator) -> Clip:
        """All frames of a path at `size` (height, width)."""
        sensor = Sensor(SensorDraw.of(self.settings.sensor, rng), size, rng)
        frames = [self._frame(path, i, size, sensor, rng) for i in range(len(path.timestamp_s))]
        stacked = {name: np.stack([frame[name] for frame in frames]) for name in frames[0]}
        return Clip(K=path.K.astype(np.float32), T_world_cam=path.T_world_cam, timestamp_s=path.timestamp_s, **stacked)

    def _frame(
        self, path: CameraPath, i: int, size: tuple[int, int], sensor: Sensor, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        time_s, pose = float(path.timestamp_s[i]), path.T_world_cam[i]
        instant = self.caster.at(time_s)
        view = _View(self, instant, path.K, pose, time_s, size)
        truth = frame_truth(view.found, self.table, pose, size, self.settings)
        light = view.light_grid(self._lights, rng.random(4))
        on_centres = light.at(view.pixels, view.found)
        radiance = self._radiance(view.found, on_centres)
        edges = self._edges(view, truth, size)
        radiance = self._smooth_edges(view, light, radiance, edges)
        motion = _image_motion(view, path, i, size)
        arrays = {
            "images": sensor.picture(radiance.reshape(3, *size), motion),
            "depth_m": truth.depth_m.astype(np.float16),
            "normals": truth.normals,
            "labels": truth.labels,
            "boundaries": truth.boundaries,
        }
        return arrays | self._extras(view, truth, path, i, on_centres)

    def _radiance(self, found: Surfaces, light: torch.Tensor) -> torch.Tensor:
        colour = found.albedo * (light[:3] + found.emission) + light[3:]
        return (colour * found.hit).clamp_max_(self.settings.lighting.brightest)

    def _edges(self, view: _View, truth: FrameTruth, size: tuple[int, int]) -> torch.Tensor:
        """i64 [n] pixels beside an outline of anything."""
        things = self.table.instance[view.found.triangle] * 4096 + self.table.material[view.found.triangle]
        mask = changes(things.reshape(size)) | torch.from_numpy(truth.boundaries > 0)
        return mask.flatten().nonzero().squeeze(1)

    def _smooth_edges(self, view: _View, light: LightGrid, radiance: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        places = EDGE_PLACES[: self.settings.lighting.edge_samples]
        if not places or not len(edges):
            return radiance
        shifts = torch.tensor(places)[:, None]
        pixels = (view.pixels[edges][None] + shifts).reshape(-1, 2)
        found = view.look(pixels)
        extra = self._radiance(found, light.at(pixels, found)).reshape(3, len(places), -1).sum(1)
        radiance[:, edges] = (radiance[:, edges] + extra) / (len(places) + 1)
        return radiance

    def _extras(
        self, view: _View, truth: FrameTruth, path: CameraPath, i: int, light: torch.Tensor
    ) -> dict[str, np.ndarray]:
        settings, size, found = self.settings, view.size, view.found
        result: dict[str, np.ndarray] = {}
        if self.scene.moving:
            result["moving"] = truth.moving
        if settings.instances:
            result["instances"] = truth.instances
        if settings.albedo:
            albedo = (srgb_of_linear(found.albedo * found.hit) * 255).round_().to(torch.uint8)
            result["albedo"] = albedo.t().reshape(*size, 3).numpy()
        if settings.shading:
            result["shading"] = (light[:3].mean(0) * found.hit).reshape(size).numpy().astype(np.float16)
        if settings.flow or settings.scene_flow:
            result |= view.motion(path, i, settings.flow, settings.scene_flow)
        return result


class _View:
    """What one frame's camera sees."""

    def __init__(
        self,
        renderer: Renderer,
        instant: InstantCaster,
        K: np.ndarray,
        pose: np.ndarray,
        time_s: float,
        size: tuple[int, int],
    ) -> None:
        self._renderer, self._instant = renderer, instant
        self._K, self._pose, self._time_s, self.size = K, pose, time_s, size
        self.pixels = torch.from_numpy(pixel_grid(*size))
        self.found = self.look(self.pixels)
        self.part = torch.where(self.found.hit, renderer.table.part[self.found.triangle], -1)

    def look(self, pixels: torch.Tensor) -> Surfaces:
        rays = camera_rays(self._K, self._pose, pixels.numpy())
        hits = self._instant.hits(rays)
        return self._renderer.table.find(hits, rays, self._time_s, 1.0 / float(self._K[0, 0]))

    def light_grid(self, lights: LightSampler, shift: np.ndarray) -> LightGrid:
        height, width = self.size
        index = torch.arange(height * width).reshape(self.size)[::LIGHT_STEP, ::LIGHT_STEP]
        at = self.found.take(index.flatten())
        light = lights.light(at, self._instant, index.shape[1], shift)
        return LightGrid(torch.cat([light.diffuse, light.highlight]), at, *index.shape, LIGHT_STEP)

    def motion(self, path: CameraPath, i: int, flow: bool, scene_flow: bool) -> dict[str, np.ndarray]:
        """Flow to the next frame; NaN on the last frame and where nothing was hit."""
        count = self.pixels.shape[0]
        pixels_moved, points_moved = torch.full((2, count), torch.nan), torch.full((3, count), torch.nan)
        if i + 1 < len(path.timestamp_s):
            later = float(path.timestamp_s[i + 1])
            points = moved_points(self.found.point, self.part, self._renderer.scene.moving, self._time_s, later)
            hit = self.found.hit
            here, there = self.pixels.t(), projected(points, path.K, path.T_world_cam[i + 1])
            pixels_moved = torch.where(hit, (there - here).float(), torch.nan)
            to_camera = torch.from_numpy(self._pose[:3, :3].T.copy())
            points_moved = torch.where(hit, (to_camera @ (points - self.found.point)).float(), torch.nan)
        result = {}
        if flow:
            result["flow"] = pixels_moved.t().reshape(*self.size, 2).numpy().astype(np.float16)
        if scene_flow:
            result["scene_flow"] = points_moved.t().reshape(*self.size, 3).numpy().astype(np.float16)
        return result


def _image_motion(view: _View, path: CameraPath, i: int, size: tuple[int, int]) -> torch.Tensor:
    """f32 [2,H,W] pixels per second at which what is seen moves over the picture."""
    later = path.T_world_cam_later[i]
    time_s = float(path.timestamp_s[i])
    points = moved_points(view.found.point, view.part, view._renderer.scene.moving, time_s, time_s + BLUR_PROBE_S)
    motion = (projected(points, path.K, later) - view.pixels.t()) / BLUR_PROBE_S
    motion = torch.where(view.found.hit, motion, 0.0).nan_to_num_(0.0)
    return motion.float().reshape(2, *size)


def render_clip(
    scene: Scene, path: CameraPath, size: tuple[int, int], settings: RenderSettings, rng: np.random.Generator
) -> Clip:
    """Every frame of `path` through `scene`, with truth, at `size` (height, width).

    Flow and scene flow go to the next frame; scene flow is the motion of things in the world (zero for what stands
    still), along this frame's camera axes.
    """
    return Renderer(scene, settings).clip(path, size, rng)
