"""Label evidence per voxel: k counters that never miss a frequent label."""

from __future__ import annotations

import torch
from torch import Tensor

from mapping.fusion.voxels import LABEL_MOST


def collect_labels(ids: Tensor, weights: Tensor, seen: Tensor, near: Tensor, chance: Tensor) -> tuple[Tensor, Tensor]:
    """Ids and weights u8 [B,k,512] after voxels that are `near` bool [B,512] saw labels i32 [B,512,m] as in `Pixels`.

    The weighted summary of Misra and Gries (1982) as in the kernel of the CPU: a label without a counter takes an empty
    one; if there is none, all counters pay what the newcomer brings until one of them is empty. Beyond the greatest
    weight all counters shrink, rounded by `chance` f32 [B,512].
    """
    if seen.shape[-1] == 0:
        return ids, weights
    ids, weights = ids.short(), weights.short()  # as much as is needed: most of the bytes that move are these
    for label in torch.where(near[..., None], seen, 0).unbind(-1):
        ids, weights = _count(ids, weights, (label & 255).short(), (label >> 8).short(), chance)
    return ids.byte(), weights.byte()


def _count(ids: Tensor, weights: Tensor, label: Tensor, evidence: Tensor, chance: Tensor) -> tuple[Tensor, Tensor]:
    """Counters i16 [B,k,512] after evidence i16 [B,512] for a label i16 [B,512]."""
    found = (ids == label[:, None]).any(1)
    paid = torch.where(found, 0, torch.minimum(weights.amin(1), evidence))  # an empty counter has nothing to pay
    weights = weights - paid[:, None]
    ids = torch.where(weights > 0, ids, 0)
    left = evidence - paid
    takes = ids == torch.where(found, label, 0)[:, None]
    order = torch.arange(ids.shape[1], dtype=torch.int16, device=ids.device)[:, None]
    takes = order == torch.where(takes & (left > 0)[:, None], order, ids.shape[1]).amin(1, keepdim=True)  # the first
    ids = torch.where(takes, label[:, None], ids)
    weights = torch.where(takes, weights + left[:, None], weights)
    above = (weights.amax(1, keepdim=True) - LABEL_MOST).clamp(min=0)
    shrunk = (weights * (LABEL_MOST / (LABEL_MOST + above)) + chance[:, None]).short()
    weights = torch.where(takes, weights.clamp(max=LABEL_MOST), shrunk)
    return torch.where(weights > 0, ids, 0), weights
