"""Unit feature vectors of image patches: their dot product is a normalised correlation, to match without learning."""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

PATCH_WINDOWS = ((3, 6), (5, 8))  # side in pixels, number of patterns kept
GREY_WEIGHTS = (0.299, 0.587, 0.114)


def to_grey(images: Tensor) -> Tensor:
    """Luma [N,1,H,W] of RGB images [N,3,H,W]."""
    weights = images.new_tensor(GREY_WEIGHTS).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def patch_features(grey: Tensor, noise: float = 0.01, windows: tuple[tuple[int, int], ...] = PATCH_WINDOWS) -> Tensor:
    """Features [N,C,h,w] whose dot product between two images is a zero-mean normalised cross-correlation in [-1,1].

    Each patch is written in its lowest cosine patterns without the constant one, which takes out its mean, and
    divided by its length, which takes out its contrast. The high patterns that are left out hold mostly noise.
    Windows of several sizes are averaged: small ones place a match well, large ones make it unique. `noise` is the
    standard deviation of image noise (images in [0,1]): patches with less contrast than that shrink towards 0, so
    that flat areas match nothing well instead of everything.
    """
    parts = []
    for side, count in windows:
        patterns = _cosine_patterns(side, count).to(grey)
        padded = F.pad(grey, (side // 2,) * 4, mode="replicate")
        response = F.conv2d(padded, patterns)
        energy = response.square().sum(1, keepdim=True)
        parts.append(response * (energy + (side * noise) ** 2).rsqrt())
    return torch.cat(parts, 1) * len(windows) ** -0.5


@cache
@torch.inference_mode(False)  # kept for later calls, which may want gradients
def _cosine_patterns(side: int, count: int) -> Tensor:
    """Orthonormal patterns [count,1,side,side] of rising frequency."""
    x = torch.arange(side) + 0.5
    basis = [torch.cos(math.pi * k * x / side) * math.sqrt((2.0 if k else 1.0) / side) for k in range(side)]
    order = sorted(
        ((i, j) for i in range(side) for j in range(side) if i + j), key=lambda p: (p[0] ** 2 + p[1] ** 2, p)
    )
    return torch.stack([torch.outer(basis[i], basis[j]) for i, j in order[:count]])[:, None]
