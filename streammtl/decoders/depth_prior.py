"""What a view alone says about depth, whatever camera took it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

USUAL_DEPTH_M = 1.6
USUAL_FOCAL_PX = 256.0


@dataclass(frozen=True)
class DepthPrior:
    """A Laplace distribution of log depth per pixel: its centre and the log of its scale, both [B,1,h,w]."""

    log_depth: Tensor
    log_spread: Tensor

    def of_planes(self, log_planes: Tensor) -> Tensor:
        """Log probability [B,L,h,w], up to a constant, of the planes at log depth [B,L]."""
        distance = (log_planes[:, :, None, None] - self.log_depth).abs()
        return -distance * torch.exp(-self.log_spread)


class DepthPriorHead(nn.Module):
    """Features [B,width,h,w] and focal length [B] in pixels of the network's input to DepthPrior.

    An image shows how many pixels a thing covers, which fixes its depth only per focal length; so depth over focal
    length is what is learned, and the camera gives the rest. Without it, a network trained with many cameras takes
    each for their average. Source: the canonical camera of Metric3D (arXiv 2307.10984, section 3.2), applied to labels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(width, 2, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor, focal_px: Tensor) -> DepthPrior:
        per_focal, log_spread = self.linear(features).chunk(2, 1)
        return DepthPrior(per_focal + usual_log_depth(focal_px), log_spread.clamp(-4.0, 4.0))


def usual_log_depth(focal_px: Tensor) -> Tensor:
    """Log [B,1,1,1] of the depth, metres, where a camera of that focal length [B] sees what a usual one does."""
    return (torch.log(focal_px / USUAL_FOCAL_PX) + math.log(USUAL_DEPTH_M)).view(-1, 1, 1, 1)


def focal_lengths(K: Tensor) -> Tensor:
    """Focal length [B], pixels, of intrinsics [B,3,3]: the geometric mean of both axes'."""
    return (K[:, 0, 0] * K[:, 1, 1]).sqrt()
