"""How badly patches match over planes of depth, in all views together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from streammtl.crossview.compiled_loops import compiled_loops
from streammtl.crossview.cost_volume import view_scores
from streammtl.crossview.warp import MIN_DEPTH_RATIO, SweepGeometry

WORST_COST = 0.9  # 1 - correlation above which one mismatch is like any other
UNSEEN_COST = 0.8  # of a point that no view sees: between a poor match and none
FEWEST_CHANNELS = 16  # of the compiled loop, which adds them in halves


@dataclass(frozen=True)
class PatchMatches:
    """scores [S,L,h,w]: correlation of the first view with each other one, 0 where not visible; visible bool [S,L,h,w];
    cost [L,h,w]: 1 - mean score of the views that see the point, at most WORST_COST, UNSEEN_COST where none does.
    """

    scores: Tensor
    visible: Tensor
    cost: Tensor


def match_patches(features: Tensor, geometry: SweepGeometry, hypotheses: Tensor) -> PatchMatches:
    """Features [1+S,C,h,w] whose products are correlations, at every depth hypothesis [L], in one sample's geometry."""
    loops = compiled_loops(features)
    match = _by_products if loops is None else _by_loops
    return match(features, geometry, hypotheses)


def _by_loops(features: Tensor, geometry: SweepGeometry, hypotheses: Tensor) -> PatchMatches:
    size = (geometry.height, geometry.width)
    ends = zip(*(geometry.visible_range(s) for s in range(geometry.num_sources)), strict=True)
    low, high = (torch.cat(of).unflatten(1, size) for of in ends)
    channels = features.shape[1]
    rest = max(FEWEST_CHANNELS, 1 << (channels - 1).bit_length()) - channels  # up to a power of two
    found = compiled_loops(features).matched_patches(
        F.pad(features.permute(0, 2, 3, 1), (0, rest)),
        geometry.direction[0].unflatten(2, size),
        geometry.offset[0],
        low,
        high,
        hypotheses.reciprocal(),
        nearest=MIN_DEPTH_RATIO,
        unseen_cost=UNSEEN_COST,
        worst_cost=WORST_COST,
    )
    return PatchMatches(*(of.movedim(-1, -3) for of in found))


def _by_products(features: Tensor, geometry: SweepGeometry, hypotheses: Tensor) -> PatchMatches:
    pairs = [
        view_scores(features[:1], features[s + 1, None], geometry, s, hypotheses[None])
        for s in range(geometry.num_sources)
    ]
    maps = (torch.cat([_planes_last(of) for of in maps]) for maps in zip(*pairs, strict=True))
    scores, visible = (of.permute(0, 3, 1, 2) for of in maps)
    views = _sum_over_views(visible.float())
    mean_score = _sum_over_views(scores) / views.clamp(min=1.0)
    cost = torch.where(views > 0, 1.0 - mean_score, UNSEEN_COST).clamp(max=WORST_COST)
    return PatchMatches(scores, visible, cost)


def _planes_last(volume: Tensor) -> Tensor:
    """[1,L,h,w] as [1,h,w,L]: how the cost volume and the smoothing hold it, on a CPU, so that nothing is moved."""
    return volume.permute(0, 2, 3, 1)


def _sum_over_views(volume: Tensor) -> Tensor:
    """[S,...] to [...], view by view: a sum of PyTorch over the first axis is slow unless that is memory's order."""
    total = volume[0].clone(memory_format=torch.preserve_format)
    for of_view in volume[1:]:
        total += of_view
    return total
