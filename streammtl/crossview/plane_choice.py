"""From a smoothed cost volume to one depth per pixel, and how sharply the volume says so."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PlaneChoice:
    """The best plane of every pixel. Shapes all [h,w]."""

    plane: Tensor  # i64 index of the best plane
    inverse_depth: Tensor  # f32, refined between the planes
    cost: Tensor  # smoothed cost of the best plane
    relative_spread: (
        Tensor  # f32 standard deviation of inverse depth over the planes, by likelihood, as a fraction of it
    )


def choose_plane(cost: Tensor, hypotheses: Tensor, temperature: float = 0.3) -> PlaneChoice:
    """Lowest cost with a parabola through its neighbours.

    Shapes: cost [L,h,w]; hypotheses [L] depths evenly spaced in inverse depth.
    The spread takes exp(-cost / temperature) for the likelihood of a plane, so that it is small where one plane stands
    out, and large where several are as good, near or far apart.
    """
    planes = hypotheses.shape[0]
    inverse = hypotheses.reciprocal()
    lowest, plane = cost.min(0)
    centre = plane.clamp(1, planes - 2)[None]
    before, at, after = (cost.gather(0, centre + k)[0] for k in (-1, 0, 1))
    curvature = (before - 2 * at + after).clamp(min=1e-6)
    offset = ((before - after) / (2 * curvature)).clamp(-0.5, 0.5)
    offset = torch.where(plane == centre[0], offset, 0.0)
    refined = inverse[plane] + offset * (inverse[1] - inverse[0])
    likelihood = torch.softmax(cost / -temperature, 0)
    mean_square = torch.einsum("lhw,l->hw", likelihood, inverse.square())
    mean = torch.einsum("lhw,l->hw", likelihood, inverse)
    spread = (mean_square - 2 * mean * refined + refined.square()).clamp(min=0.0).sqrt() / refined
    return PlaneChoice(plane, refined, lowest, spread)
