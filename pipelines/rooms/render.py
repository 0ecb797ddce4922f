"""Renders clips: pictures as a hand-held camera takes them, with exact truth."""

from __future__ import annotations

import numpy as np
import torch

from mapping.surface.room_rays import SceneCaster
from pipelines.rooms.camera_path import CameraPath
from pipelines.rooms.render_settings import RenderSettings
from pipelines.rooms.render_view import View
from pipelines.rooms.sensor import Sensor, SensorDraw
from pipelines.rooms.shading_filter import LightGrid
from pipelines.rooms.shading_lights import LightSampler
from pipelines.rooms.shading_surfaces import Surfaces, SurfaceTable
from pipelines.rooms.shading_textures import srgb_of_linear
from pipelines.rooms.truth import FrameTruth, frame_truth
from pipelines.rooms.truth_boundaries import changes
from streammtl.data.clip import Clip
from streammtl.data.rooms.scene import Scene

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
        frames = []
        for i in range(len(path.timestamp_s)):
            view = View(self.scene, self.caster, self.table, path, i, size)
            frames.append(self._frame(view, sensor, rng.random(4)))
        stacked = {name: np.stack([frame[name] for frame in frames]) for name in frames[0]}
        return Clip(K=path.K.astype(np.float32), T_world_cam=path.T_world_cam, timestamp_s=path.timestamp_s, **stacked)

    def _frame(self, view: View, sensor: Sensor, shift: np.ndarray) -> dict[str, np.ndarray]:
        truth = frame_truth(view.found, self.table, view.pose, view.size, self.settings)
        light = view.light_grid(self._lights, shift)
        on_centres = light.at(view.pixels, view.found)
        radiance = self._radiance(view.found, on_centres)
        self._smooth_edges(view, light, radiance, self._edges(view, truth))
        arrays = {
            "images": sensor.picture(radiance.reshape(3, *view.size), view.image_motion()),
            "depth_m": truth.depth_m.astype(np.float16),
            "normals": truth.normals,
            "labels": truth.labels,
            "boundaries": truth.boundaries,
        }
        return arrays | self._extras(view, truth, on_centres)

    def _radiance(self, found: Surfaces, light: torch.Tensor) -> torch.Tensor:
        colour = found.albedo * (light[:3] + found.emission) + light[3:]
        return (colour * found.hit).clamp_max_(self.settings.lighting.brightest)

    def _edges(self, view: View, truth: FrameTruth) -> torch.Tensor:
        """i64 [n] pixels beside an outline of anything."""
        things = self.table.instance[view.found.triangle] * 4096 + self.table.material[view.found.triangle]
        mask = changes(things.reshape(view.size)) | torch.from_numpy(truth.boundaries > 0)
        return mask.flatten().nonzero().squeeze(1)

    def _smooth_edges(self, view: View, light: LightGrid, radiance: torch.Tensor, edges: torch.Tensor) -> None:
        """Averages more samples into the pixels `edges` of `radiance` [3,n]."""
        places = EDGE_PLACES[: self.settings.lighting.edge_samples]
        if not places or not len(edges):
            return
        shifts = torch.tensor(places)[:, None]
        pixels = (view.pixels[edges][None] + shifts).reshape(-1, 2)
        found = view.look(pixels)
        extra = self._radiance(found, light.at(pixels, found)).reshape(3, len(places), -1).sum(1)
        radiance[:, edges] = (radiance[:, edges] + extra) / (len(places) + 1)

    def _extras(self, view: View, truth: FrameTruth, light: torch.Tensor) -> dict[str, np.ndarray]:
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
        if settings.flow:
            result["flow"] = view.flow()
        if settings.scene_flow:
            result["scene_flow"] = view.scene_flow()
        return result


def render_clip(
    scene: Scene, path: CameraPath, size: tuple[int, int], settings: RenderSettings, rng: np.random.Generator
) -> Clip:
    """Every frame of `path` through `scene`, with truth, at `size` (height, width).

    Flow and scene flow go to the next frame; scene flow is the motion of things in the world (zero for what stands
    still), along this frame's camera axes.
    """
    return Renderer(scene, settings).clip(path, size, rng)
