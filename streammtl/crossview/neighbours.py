"""Which views of a batch every view is compared with."""

from __future__ import annotations

import torch
from torch import Tensor

from streammtl.crossview.choices import NeighbourRule
from streammtl.geometry import relative_pose

BEST_BASELINE_M = 0.15
TOO_CLOSE_FACTOR = 5.0  # too little parallax hurts more than too much


def best_neighbours(
    T_world_cam: Tensor, view_mask: Tensor, count: int, rule: NeighbourRule = NeighbourRule.PARALLAX
) -> tuple[Tensor, Tensor]:
    """The `count` best neighbours of every view, best first.

    Parallax: penalty R² + (t - 0.15)², the second term five times as heavy below 0.15 m, with t the distance of the
    centres and R² = 2 (1 - tr(R) / 3): distance alone would pick the neighbour that tells least. Ties go to
    the earlier view.

    Shapes: T_world_cam f64 [B,V,4,4] metres; view_mask [B,V] -> indices i64 [B,V,count], valid bool [B,V,count].
    Source: keyframe penalty of DeepVideoMVS (arXiv 2012.02177); distance: cross-view MTL (arXiv 2511.20646), 3.2.
    """
    batch, views = view_mask.shape
    known = torch.where(view_mask[..., None, None], T_world_cam, T_world_cam[:, :1])  # padding may hold anything
    relative = relative_pose(known[:, :, None], known[:, None, :])  # [B,V,V,4,4]
    distance = relative[..., :3, 3].norm(dim=-1)
    trace = relative[..., :3, :3].diagonal(dim1=-2, dim2=-1).sum(-1)
    rotation = 2.0 * (1.0 - trace.clamp(max=3.0) / 3.0)
    parallax = (distance - BEST_BASELINE_M).square()
    penalty = rotation + torch.where(distance < BEST_BASELINE_M, TOO_CLOSE_FACTOR * parallax, parallax)
    if rule == NeighbourRule.DISTANCE:
        penalty = distance
    itself = torch.eye(views, dtype=torch.bool, device=view_mask.device)
    usable = view_mask[:, :, None] & view_mask[:, None, :] & ~itself
    penalty = torch.where(usable, penalty, torch.inf)
    order = penalty.argsort(dim=-1, stable=True)[..., :count]
    missing = count - order.shape[-1]
    if missing > 0:  # fewer views than neighbours asked for
        order = torch.cat((order, order.new_zeros(batch, views, missing)), -1)
    valid = usable.gather(-1, order)
    if missing > 0:
        valid[..., -missing:] = False
    return order, valid
