"""Losses between tasks, without labels: depth against normals, label boundaries against boundaries.

Both come as they should be and as M2H's paper writes them down (`literal_...`), for comparison.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from streammtl.geometry import normals_from_depth, unit
from streammtl.losses.masking import valid_mean

DEPTH_STEP = 0.05  # relative difference of neighbouring depths beyond which they are of two surfaces
BOUNDARY_WEIGHT = 0.95


def depth_normal_consistency(depth: Tensor, normals: Tensor, K: Tensor, valid: Tensor) -> Tensor:
    """Mean of 1 - cos between normals and those of the depth map's surface, where depth has no step.

    Shapes: depth [B,1,h,w] metres; normals [B,3,h,w] of any length, facing the camera; K [B,3,3] of the h x w grid;
    valid bool [B,1,h,w].
    Source: M2H (arXiv 2510.17363), Eq. 16, with back-projected points in place of differences per pixel.
    """
    return _disagreement(normals_from_depth(depth, K), normals, valid & ~depth_steps(depth.detach()))


def literal_depth_normal_consistency(depth: Tensor, normals: Tensor, K: Tensor, valid: Tensor) -> Tensor:
    """Eq. 16 as it stands: the normal is (-d_u, -d_v, 1), differences of metres per pixel, whatever the camera.

    Read in its favour: its first difference is that along columns, and its normals are turned to face the camera. Any
    surface that a camera of some hundred pixels focal length sees then looks like one that faces it.
    """
    along_u = F.pad(depth[..., 1:] - depth[..., :-1], (0, 1, 0, 0), mode="replicate")
    along_v = F.pad(depth[..., 1:, :] - depth[..., :-1, :], (0, 0, 0, 1), mode="replicate")
    facing = torch.cat((along_u, along_v, -torch.ones_like(depth)), 1)
    return _disagreement(unit(facing), normals, valid)


def label_boundary_consistency(logits: Tensor, boundaries: Tensor, valid: Tensor) -> Tensor:
    """Mean of |b - s|: b is how likely a pixel and its right or lower neighbour have different classes, s the
    probability of a boundary, from which nothing is learnt here. Boundary pixels weigh 0.95, others 0.05.

    Shapes: logits [B,C,h,w] of the classes; boundaries [B,1,H,W] logits, of a size h x w divides; valid bool [B,1,h,w].
    Source: M2H (arXiv 2510.17363), Eq. 17, between two probabilities.
    """
    probability = torch.softmax(logits, 1)
    beside = 1 - (probability[..., 1:] * probability[..., :-1]).sum(1, keepdim=True)
    below = 1 - (probability[..., 1:, :] * probability[..., :-1, :]).sum(1, keepdim=True)
    differs = torch.maximum(F.pad(beside, (0, 1)), F.pad(below, (0, 0, 0, 1)))
    target = F.adaptive_max_pool2d(torch.sigmoid(boundaries.detach()), logits.shape[-2:])
    weight = BOUNDARY_WEIGHT * target + (1 - BOUNDARY_WEIGHT) * (1 - target)
    return valid_mean(weight * (differs - target).abs(), valid)


def literal_label_boundary_consistency(logits: Tensor, boundaries: Tensor, valid: Tensor) -> Tensor:
    """Eq. 17 as it stands: mean of |differences of logits - boundary logit| over pixels, classes and directions."""
    along_u = F.pad(logits[..., 1:] - logits[..., :-1], (0, 1))
    along_v = F.pad(logits[..., 1:, :] - logits[..., :-1, :], (0, 0, 0, 1))
    at = F.adaptive_max_pool2d(boundaries, logits.shape[-2:])
    return valid_mean(((along_u - at).abs() + (along_v - at).abs()).mean(1, keepdim=True) / 2, valid)


def depth_steps(depth: Tensor) -> Tensor:
    """bool [B,1,h,w]: a neighbour in the same row or column is nearer or farther by more than DEPTH_STEP."""
    padded = F.pad(depth, (1, 1, 1, 1), mode="replicate")
    neighbours = (padded[..., 1:-1, 2:], padded[..., 1:-1, :-2], padded[..., 2:, 1:-1], padded[..., :-2, 1:-1])
    return torch.stack([(n - depth).abs() > DEPTH_STEP * depth for n in neighbours]).any(0)


def _disagreement(surface: Tensor, normals: Tensor, valid: Tensor) -> Tensor:
    """Mean of 1 - cos between unit vectors [B,3,h,w] and vectors of any length."""
    return valid_mean(1 - (surface * unit(normals)).sum(1, keepdim=True), valid)
