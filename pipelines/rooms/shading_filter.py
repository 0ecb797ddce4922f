"""Light computed on every second pixel is smoothed along surfaces and brought to any pixel, never across an edge."""

from __future__ import annotations

import torch

from pipelines.rooms.shading_surfaces import Surfaces
from pipelines.rooms.shading_vectors import dot

# A box as wide as the pattern of samples, centred on a point.
TAPS = ((-2, 0.5), (-1, 1.0), (0, 1.0), (1, 1.0), (2, 0.5))
NORMAL_POWER = 8
# Distances from the point's plane that count as the same surface, as a share of the depth.
PLANE_SHARE = 0.01


class LightGrid:
    """Light on every `step`-th pixel of a view, row by row."""

    def __init__(self, light: torch.Tensor, at: Surfaces, height: int, width: int, step: int) -> None:
        """`light` f32 [C,n] at the n = height * width points `at` of a grid whose points are `step` pixels apart."""
        self._height, self._width, self._step = height, width, step
        places = torch.cat([at.shading_normal, at.point, at.hit[None].float()])
        self._places = places.reshape(7, height, width)
        tolerance = (at.depth_m * PLANE_SHARE).clamp_min(0.01).reshape(height, width)
        light = self._smoothed(light.reshape(-1, height, width), tolerance, dim=2)
        light = self._smoothed(light, tolerance, dim=1)
        self._channels = len(light)
        self._rows = torch.cat([light, self._places]).flatten(1)

    def _smoothed(self, light: torch.Tensor, tolerance: torch.Tensor, dim: int) -> torch.Tensor:
        total, weights = torch.zeros_like(light), torch.zeros_like(light[0])
        size = light.shape[dim]
        for offset, tap in TAPS:
            here = slice(max(0, -offset), size - max(0, offset))
            there = slice(max(0, offset), size - max(0, -offset))
            at, other = (self._places[:, :, s] if dim == 2 else self._places[:, s] for s in (here, there))
            near = tolerance[:, here] if dim == 2 else tolerance[here]
            weight = _likeness(at, other, near).mul_(tap)
            if dim == 2:
                total[:, :, here] += weight * light[:, :, there]
                weights[:, here] += weight
            else:
                total[:, here] += weight * light[:, there]
                weights[here] += weight
        return total / weights.clamp_min_(1e-6)

    def at(self, pixels: torch.Tensor, surfaces: Surfaces) -> torch.Tensor:
        """f32 [C,n] light at pixels f32 [n,2] (x, y) that see `surfaces`."""
        x = (pixels[:, 0] / self._step).clamp(0, self._width - 1)
        y = (pixels[:, 1] / self._step).clamp(0, self._height - 1)
        x0, y0 = x.to(torch.int64), y.to(torch.int64)
        fx, fy = x - x0, y - y0
        x1, y1 = (x0 + 1).clamp_max_(self._width - 1), (y0 + 1).clamp_max_(self._height - 1)
        here = torch.cat([surfaces.shading_normal, surfaces.point])
        tolerance = (surfaces.depth_m * PLANE_SHARE).clamp_min(0.01)
        total, weights = torch.zeros((self._channels, len(x))), torch.zeros(len(x))
        for index, share in (
            (y0 * self._width + x0, (1 - fx) * (1 - fy)),
            (y0 * self._width + x1, fx * (1 - fy)),
            (y1 * self._width + x0, (1 - fx) * fy),
            (y1 * self._width + x1, fx * fy),
        ):
            row = self._rows.index_select(1, index)
            # Where no neighbour lies on the surface, the nearest ones must do.
            weight = (_likeness(here, row[self._channels :], tolerance) + 1e-4) * (share + 1e-3)
            total.addcmul_(row[: self._channels], weight)
            weights += weight
        return total / weights


def _likeness(at: torch.Tensor, other: torch.Tensor, tolerance: torch.Tensor) -> torch.Tensor:
    """0..1: how much two places [>=6,...] (normal, point) belong to one smooth surface; `other` says if it was hit."""
    aligned = dot(at[:3], other[:3]).clamp_min_(0.0).pow_(NORMAL_POWER)
    off_plane = dot(at[:3], other[3:6] - at[3:6]) / tolerance
    return aligned.mul_(other[6]).mul_(torch.exp_(-(off_plane * off_plane)))
