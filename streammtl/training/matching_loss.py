"""Direct supervision of the cost volume: the plane that a point lies on shall score highest."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from streammtl.losses.masking import valid_mean


def plane_position(depth: Tensor, hypotheses: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Between which planes depths lie: index i64 of the nearer plane, share f32 in [0,1] of the farther one, and
    whether both exist. The share is linear in inverse depth.

    Shapes: depth [B,1,h,w] metres; hypotheses [B,L] ascending -> each [B,1,h,w].
    """
    planes = hypotheses.shape[1]
    flat = depth.flatten(1).contiguous()  # [B,hw]
    nearer = torch.searchsorted(hypotheses.contiguous(), flat, right=True) - 1
    inside = (flat >= hypotheses[:, :1]) & (flat <= hypotheses[:, -1:])
    nearer = nearer.clamp(0, planes - 2)
    low, high = hypotheses.gather(1, nearer).reciprocal(), hypotheses.gather(1, nearer + 1).reciprocal()
    safe = torch.where(inside, flat, hypotheses[:, :1])
    share = ((low - safe.reciprocal()) / (low - high)).clamp(0, 1)
    return nearer.view(depth.shape), share.view(depth.shape), inside.view(depth.shape)


def matching_loss(volume: Tensor, hypotheses: Tensor, depth: Tensor, valid: Tensor, seen: Tensor) -> Tensor:
    """Cross-entropy of softmax(volume) over the planes against the true depth, split linearly between its two planes.

    Counts where the depth is valid and inside the planes, and some neighbour sees the point on both planes.
    Shapes: volume [B,L,h,w] scores; depth [B,1,h,w] metres and valid bool [B,1,h,w] on the volume's grid; seen bool
    [B,L,h,w].
    """
    nearer, share, inside = plane_position(torch.where(valid, depth, 1.0), hypotheses)
    log_probability = F.log_softmax(volume.float(), 1)
    per_pixel = -torch.lerp(log_probability.gather(1, nearer), log_probability.gather(1, nearer + 1), share)
    visible = seen.gather(1, nearer) & seen.gather(1, nearer + 1)
    return valid_mean(per_pixel, valid & inside & visible)


def coarse_labels(depth: Tensor, valid: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Depth and validity [B,1,h,w] at the centres of a coarser grid's cells, from [B,1,H,W]: no mixing over edges."""
    small = F.interpolate(torch.where(valid, depth, 0.0), size, mode="nearest-exact")
    return small, small > 0
