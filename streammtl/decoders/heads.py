"""Heads: from a task's features to its raw outputs."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from streammtl.crossview.module import CrossView
from streammtl.decoders.pyramid_decoder import conv_norm, resized

USUAL_DEPTH_M = 1.6


class DenseHead(nn.Module):
    """Raw outputs [B,channels,h,w] by one linear map per pixel."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(width, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features)


class PlaneDepthHead(nn.Module):
    """Log depth [B,1,h,w] and the log of its Laplace scale [B,1,h,w].

    Coarse depth is the mean log hypothesis under a distribution over planes, which a small 2D network reads out of
    the cost volume and the matching features; a per-pixel residual at the finer stride adds edges and leaves the
    near-far range where it must. The scale says how far log depth may be off.
    """

    def __init__(self, width: int, num_planes: int, cross_channels: int) -> None:
        super().__init__()
        self.planes = nn.Sequential(
            conv_norm(cross_channels + num_planes, width), conv_norm(width, width), nn.Conv2d(width, num_planes, 1)
        )
        self.residual = nn.Conv2d(width, 2, 1)
        nn.init.zeros_(self.residual.weight)
        nn.init.zeros_(self.residual.bias)

    def forward(self, features: Tensor, cross_view: CrossView) -> tuple[Tensor, Tensor]:
        logits = self.planes(cross_view.joined) + cross_view.volume
        probability = torch.softmax(logits, 1)
        log_planes = cross_view.hypotheses.log()
        coarse = torch.einsum("blhw,bl->bhw", probability, log_planes)[:, None]
        residual, log_scale = self.residual(features).chunk(2, 1)
        return resized(coarse, features.shape[-2:]) + residual, log_scale


class FinePlaneDepthHead(nn.Module):
    """PlaneDepthHead for a volume as fine as the decoder's features, at 1/4: those choose between its planes."""

    def __init__(self, width: int, num_planes: int) -> None:
        super().__init__()
        self.planes = nn.Sequential(conv_norm(width + num_planes, width), nn.Conv2d(width, num_planes, 1))
        self.residual = nn.Conv2d(width, 2, 1)
        nn.init.zeros_(self.residual.weight)
        nn.init.zeros_(self.residual.bias)

    def forward(self, features: Tensor, cross_view: CrossView) -> tuple[Tensor, Tensor]:
        logits = self.planes(torch.cat((features, cross_view.volume), 1)) + cross_view.volume
        chosen = torch.einsum("blhw,bl->bhw", torch.softmax(logits, 1), cross_view.hypotheses.log())[:, None]
        residual, log_scale = self.residual(features).chunk(2, 1)
        return chosen + residual, log_scale


class LinearDepthHead(nn.Module):
    """Log depth [B,1,h,w] and the log of its Laplace scale [B,1,h,w] by one linear map per pixel, as the paper's heads.

    Starts at the middle hypothesis, or at 1.6 m without a cross-view module.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(width, 2, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor, cross_view: CrossView | None) -> tuple[Tensor, Tensor]:
        log_depth, log_scale = self.linear(features).chunk(2, 1)
        if cross_view is None:
            return log_depth + math.log(USUAL_DEPTH_M), log_scale
        middle = cross_view.hypotheses.log().mean(1)
        return log_depth + middle.view(-1, 1, 1, 1), log_scale
