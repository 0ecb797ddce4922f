"""Light that reaches surfaces: lamps and windows with soft shadows, and the rest of the room's light, occluded.

Neighbouring points use different samples of one 4 x 4 pattern, so that a filter over 4 x 4 points sees them all
(interleaved sampling: Keller and Heidrich, 2001).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from mapping.surface.room_rays import InstantCaster
from pipelines.rooms.render_settings import LightingSettings
from pipelines.rooms.shading_surfaces import Surfaces
from pipelines.rooms.shading_vectors import dot, unit
from streammtl.data.rooms.scene import Scene

PATTERN = 4
# Order of the samples within the pattern: any 2 x 2 points hold samples that are far apart (Bayer matrix).
ORDER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
# Steps of a two-dimensional low-discrepancy sequence: powers of the inverse of the root of x^3 = x + 1.
R2 = (0.7548776662466927, 0.5698402909980532)
NEAREST_M = 0.15  # light does not grow further when a surface is closer to a lamp
SELF_HIT_GAP_M = 2e-3
SHORT = 0.985  # rays end before the lamp, so that its own surface does not block it


@dataclass(frozen=True)
class LightOnPoints:
    """f32 [3,n] each, linear."""

    diffuse: torch.Tensor  # irradiance such that albedo times it is radiance
    highlight: torch.Tensor  # radiance added, whatever the albedo


class LightSampler:
    """Lights a grid of surface points of one scene."""

    def __init__(self, scene: Scene, settings: LightingSettings) -> None:
        self._settings = settings
        self._ambient = torch.tensor(scene.ambient, dtype=torch.float32)
        lights = scene.lights
        # Vectors are [3,L], one column per light.
        centres = np.array([l.centre for l in lights], np.float32).reshape(-1, 3).T
        edges = np.array([l.edges for l in lights], np.float32).reshape(-1, 2, 3).transpose(1, 2, 0)
        powers = np.array([l.power for l in lights], np.float32).reshape(-1, 3).T
        self._centres, self._edges, self._powers = (torch.from_numpy(a.copy()) for a in (centres, edges, powers))
        axes = torch.linalg.cross(self._edges[0], self._edges[1], dim=0)
        axes = axes / axes.norm(dim=0).clamp_min(1e-9)
        directed = torch.tensor([l.directed for l in lights], dtype=torch.bool)
        self._axes = torch.where(directed, axes, 0.0)  # zero: shines all around

    def light(self, at: Surfaces, caster: InstantCaster, width: int, shift: np.ndarray) -> LightOnPoints:
        """Light on a grid of points given row by row, `width` in a row; `shift` f64 [4] in 0..1 moves the pattern."""
        count = at.point.shape[1]
        rows, columns = np.divmod(np.arange(count), width)
        order = torch.from_numpy(ORDER[rows % PATTERN, columns % PATTERN])
        origin = at.point + at.face_normal * SELF_HIT_GAP_M
        diffuse, highlight = self._lamps(at, origin, caster, order, shift)
        diffuse += self._room(at, origin, caster, order, shift)
        return LightOnPoints(diffuse, highlight)

    def _lamps(
        self, at: Surfaces, origin: torch.Tensor, caster: InstantCaster, order: torch.Tensor, shift: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor]:
        diffuse, highlight = torch.zeros_like(at.point), torch.zeros_like(at.point)
        if not self._centres.shape[1]:
            return diffuse, highlight
        promised = self._promised(at)
        ladder = promised.cumsum(0)
        rays = self._settings.shadow_rays
        for k in range(rays):
            number = k * PATTERN**2 + order
            pick = ((number + shift[0]) / (rays * PATTERN**2)).float()
            light = (ladder < pick * ladder[-1]).sum(0).clamp_max_(len(ladder) - 1)
            weight = ladder[-1] / (promised.gather(0, light[None])[0].clamp_min(1e-9) * rays)
            toward = self._sampled(light, number, shift) - origin
            lit, shine = self._lit(at, torch.cat([origin, toward]), light, weight, caster)
            diffuse += lit
            highlight += lit * shine
        return diffuse, highlight

    def _promised(self, at: Surfaces) -> torch.Tensor:
        """f32 [L,n] about how much light would come from every lamp were nothing in between; never zero."""
        result = []
        for centre, axis, power in zip(self._centres.t(), self._axes.t(), self._powers.t(), strict=True):
            toward = centre[:, None] - at.point
            square = dot(toward, toward).clamp_min_(NEAREST_M**2)
            inverse = square.rsqrt()
            facing = (dot(toward, at.shading_normal) * inverse).clamp_min_(0.05)
            if axis.any():
                facing = facing * (-dot(toward, axis[:, None]) * inverse).clamp_min_(0.02)
            result.append(facing / square * power.mean())
        return torch.stack(result)

    def _sampled(self, light: torch.Tensor, number: torch.Tensor, shift: np.ndarray) -> torch.Tensor:
        """f32 [3,n] a place on every point's light."""
        a, b = ((number * step + start).remainder(1.0).float() for step, start in zip(R2, shift[1:3], strict=True))
        across, up = self._edges[0].index_select(1, light), self._edges[1].index_select(1, light)
        return self._centres.index_select(1, light) + across * (2 * a - 1) + up * (2 * b - 1)

    def _lit(
        self, at: Surfaces, ray: torch.Tensor, light: torch.Tensor, weight: torch.Tensor, caster: InstantCaster
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Light f32 [3,n] that arrives along `ray` f32 [6,n] (origin, way to the lamp) where nothing blocks it, times
        `weight`; and the share f32 [n] of it that a highlight adds."""
        toward = ray[3:]
        square = dot(toward, toward).clamp_min_(NEAREST_M**2)
        inverse = square.rsqrt()
        axis = self._axes.index_select(1, light)
        emitted = torch.where((axis != 0).any(0), (-dot(toward, axis) * inverse).clamp_min_(0.0), 1.0)
        strength = (dot(toward, at.shading_normal) * inverse).clamp_min_(0.0) * emitted / square * weight
        strength *= (dot(toward, at.face_normal) > 0) & at.hit
        asked = (strength > 0).nonzero().squeeze(1)
        rays = ray[:, asked]
        rays[3:] *= SHORT
        strength[asked] *= torch.from_numpy(~caster.blocked(rays.t().contiguous().numpy()))
        half = unit(toward * inverse + at.to_camera)
        aligned = dot(half, at.shading_normal).clamp_min_(1e-3) ** at.gloss
        rim = (1.0 - dot(half, at.to_camera).clamp_(0.0, 1.0)) ** 5
        mirrored = at.specular + at.specular.sqrt() * (1.0 - at.specular) * rim
        return self._powers.index_select(1, light) * strength, mirrored * aligned * (at.gloss + 2.0) / 8.0

    def _room(
        self, at: Surfaces, origin: torch.Tensor, caster: InstantCaster, order: torch.Tensor, shift: np.ndarray
    ) -> torch.Tensor:
        """f32 [3,n] light from everywhere, less what stands close by."""
        rays = self._settings.ambient_rays
        open_share = torch.zeros(at.point.shape[1])
        for k in range(rays):
            number = k * PATTERN**2 + order
            height = ((number + shift[0]) / (rays * PATTERN**2)).float()
            turn = (number * R2[0] + shift[1]).remainder(1.0).float() * (2 * np.pi)
            reach = (number * R2[1] + shift[3]).remainder(1.0).float() * self._settings.ambient_reach_m + 0.02
            # A point on the unit sphere added to the normal is cosine-distributed about it.
            z = 1.0 - 2.0 * height
            radius = (1.0 - z * z).clamp_min_(0.0).sqrt_()
            sphere = torch.stack([radius * turn.cos(), radius * turn.sin(), z])
            direction = unit(sphere * 0.999 + at.shading_normal) * reach
            blocked = caster.blocked(torch.cat([origin, direction]).t().contiguous().numpy())
            open_share += torch.from_numpy(~blocked)
        up = 0.85 + 0.15 * at.shading_normal[2]
        return self._ambient[:, None] * (open_share * up / max(rays, 1))
