"""From a cost volume to one depth per pixel, and how sharply the volume says so."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

REFINING_WINDOW = 7  # pixels


@dataclass(frozen=True)
class PlaneChoice:
    """The best plane of every pixel. Shapes all [h,w]."""

    plane: Tensor  # i64 index of the best plane
    inverse_depth: Tensor  # f32, refined between the planes
    cost: Tensor  # smoothed cost of the best plane
    relative_spread: Tensor  # f32 standard deviation of inverse depth over the planes, as a fraction of inverse_depth
    entropy: Tensor  # f32 in [0,1] over the planes: 0 where one stands out, 1 where the images say nothing


def choose_plane(smooth_cost: Tensor, cost: Tensor, hypotheses: Tensor, temperature: float = 0.3) -> PlaneChoice:
    """The plane of lowest smoothed cost, refined on the matching cost itself.

    The smoothed cost draws depth towards the planes, which turns slanted surfaces into stairs; the place between the
    planes is therefore read from the matching cost before smoothing, averaged over a small window.
    Spread and entropy take exp(-cost / temperature) for the likelihood of a plane.

    Shapes: smooth_cost, cost [L,h,w]; hypotheses [L] depths evenly spaced in inverse depth.
    """
    inverse = hypotheses.reciprocal()
    lowest, plane = smooth_cost.min(0)
    position = refine_position(box_mean(cost, REFINING_WINDOW), plane)
    refined = inverse[0] + position * (inverse[1] - inverse[0])
    log_likelihood = torch.log_softmax(smooth_cost / -temperature, 0)
    likelihood = log_likelihood.exp()
    entropy = -torch.einsum("lhw,lhw->hw", likelihood, log_likelihood) / math.log(hypotheses.shape[0])
    mean = torch.einsum("lhw,l->hw", likelihood, inverse)
    mean_square = torch.einsum("lhw,l->hw", likelihood, inverse.square())
    spread = (mean_square - 2 * mean * refined + refined.square()).clamp(min=0.0).sqrt() / refined
    return PlaneChoice(plane, refined, lowest, spread, entropy)


def refine_position(cost: Tensor, plane: Tensor) -> Tensor:
    """Position of the minimum between the planes, f32 [h,w] in plane indices, at most two planes from `plane`.

    The least-squares parabola through five costs, centred on the best plane next to the given one. Where the five show
    no minimum, or reach beyond the volume, the position is `plane`.
    """
    planes = cost.shape[0]
    inner = plane.clamp(3, planes - 4)
    below, here, above = (cost.gather(0, (inner + k)[None])[0] for k in (-1, 0, 1))
    centre = inner + torch.where((below <= here) & (below <= above), -1, torch.where(here <= above, 0, 1))
    a, b, c, d, e = (cost.gather(0, (centre + k)[None])[0] for k in (-2, -1, 0, 1, 2))
    slope = (2 * (e - a) + d - b) / 10
    curvature = (2 * (a + e) - b - 2 * c - d) / 14
    convex = curvature > 1e-4
    offset = (-slope / (2 * torch.where(convex, curvature, 1.0))).clamp(-1.0, 1.0)
    return torch.where(convex & (inner == plane), centre + offset, plane.float())


def box_mean(volume: Tensor, side: int) -> Tensor:
    """Mean over side x side pixels (side odd) of every slice of [L,h,w]; fewer at the border."""
    reach = side // 2
    lines = volume.permute(1, 2, 0).contiguous()  # [h,w,L], in which a shift by a pixel is a plain view
    columns = _neighbour_sum(lines, reach)
    total = _neighbour_sum(columns.transpose(0, 1), reach).transpose(0, 1)
    high, wide = (_neighbour_sum(lines.new_ones(count), reach) for count in lines.shape[:2])
    return total.div_((high[:, None] * wide)[..., None]).permute(2, 0, 1)


def _neighbour_sum(lines: Tensor, reach: int) -> Tensor:
    """Sum over the entries at most `reach` away along the first axis."""
    total = lines.clone()
    for step in range(1, min(reach, len(lines) - 1) + 1):
        total[step:] += lines[:-step]
        total[:-step] += lines[step:]
    return total
