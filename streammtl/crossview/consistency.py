"""Left-right consistency: does a source pixel, asked which reference pixel it shows, answer with the same one?"""

from __future__ import annotations

import torch
from torch import Tensor

from streammtl.crossview.warp import SweepGeometry


def source_agreement(inverse_depth: Tensor, cost: Tensor, geometry: SweepGeometry, tolerance: float = 0.05) -> Tensor:
    """Fraction [h,w] in [0,1] of the views seeing a point in which it is not beaten by another surface.

    Every reference pixel is carried into each source view at its depth. Where several land on one source pixel, the one
    with the lowest cost owns it; the others agree with it when their depths in that view differ by less than
    `tolerance` (a fraction). Occluded and wrongly matched pixels lose. 0 where no view sees the point.

    Shapes: inverse_depth, cost [h,w]; geometry of one sample.
    """
    height, width = inverse_depth.shape
    depth = inverse_depth.reciprocal().view(1, 1, -1)
    agreeing = torch.zeros_like(depth)
    seeing = torch.zeros_like(depth)
    for source in range(geometry.num_sources):
        u, v, seen = geometry.project(depth, source)
        z = geometry.offset[0, source, 2] + depth * geometry.direction[0, source, 2]
        target = (v.round() * width + u.round()).long().clamp(0, height * width - 1)
        target = torch.where(seen, target, height * width)  # one extra bin takes what is not visible
        owner_z = _owner_values(target.view(-1), cost.reshape(-1), z.view(-1), height * width + 1)
        close = (z - owner_z[target]).abs() <= tolerance * z
        agreeing += (close & seen).float()
        seeing += seen.float()
    return (agreeing / seeing.clamp(min=1.0)).view(height, width)


def _owner_values(target: Tensor, cost: Tensor, value: Tensor, bins: int) -> Tensor:
    """Value [bins] of the lowest-cost entry per bin; the largest where several tie, so that order is no matter."""
    best = cost.new_full((bins,), torch.inf).scatter_reduce(0, target, cost, "amin")
    owners = cost <= best[target]
    return cost.new_zeros(bins).scatter_reduce(0, target[owners], value[owners], "amax", include_self=False)
