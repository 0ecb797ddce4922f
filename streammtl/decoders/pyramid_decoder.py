"""A top-down decoder with one branch per task."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from streammtl.crossview.module import CrossView
from streammtl.encoders.pyramid import FeaturePyramid
from streammtl.errors import ShapeError

OUT_STRIDE = 4
CROSS_VIEW_STRIDE = 8
DEFAULT_WIDTH = 96


class PyramidDecoder(nn.Module):
    """FeaturePyramid and CrossView to {task: features [B,width,H/4,W/4]}.

    Levels from stride 32 to 4 are merged coarse to fine; matching features and cost volume join at stride 8, where they
    live, so that every task sees them. Any number and order of tasks. cross_channels: of features and volume together;
    0 for a network without cross-view module.

    Source: cross-view MTL (arXiv 2511.20646), section 3.3. Departure: one shared merge instead of one per task, and
    out stride 4 (the paper's "4x" from 1/8 does not fit its heads).
    """

    def __init__(
        self,
        tasks: tuple[str, ...],
        channels: tuple[int, ...],
        strides: tuple[int, ...],
        cross_channels: int,
        width: int | None = None,
    ) -> None:
        super().__init__()
        self.width = width = width or DEFAULT_WIDTH
        self.levels = tuple(i for i, stride in enumerate(strides) if stride >= OUT_STRIDE)
        if not has_pyramid_strides(strides):
            raise ShapeError(
                f"encoder strides {strides} lack {OUT_STRIDE} or {CROSS_VIEW_STRIDE}, which this decoder needs."
            )
        self.cross_level = strides.index(CROSS_VIEW_STRIDE)
        self.lateral = nn.ModuleList(nn.Conv2d(channels[i], width, 1) for i in self.levels)
        if cross_channels:
            self.cross = nn.Sequential(conv_norm(cross_channels, width), conv_norm(width, width))
        self.merge = nn.ModuleList(conv_norm(width, width) for _ in self.levels)
        self.branches = nn.ModuleDict({task: conv_norm(width, width) for task in tasks})

    def forward(self, pyramid: FeaturePyramid, cross_view: CrossView | None) -> dict[str, Tensor]:
        current: Tensor | None = None
        for lateral, merge, level in reversed(list(zip(self.lateral, self.merge, self.levels, strict=True))):
            features = lateral(pyramid.levels[level])
            if level == self.cross_level and cross_view is not None:
                features = features + self.cross(cross_view.joined)
            if current is not None:
                features = features + resized(current, features.shape[-2:])
            current = merge(features)
        return {task: branch(current) for task, branch in self.branches.items()}


def conv_norm(channels_in: int, channels_out: int) -> nn.Sequential:
    """3x3 convolution, group normalisation (does not depend on the batch), GELU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False), nn.GroupNorm(8, channels_out), nn.GELU()
    )


def has_pyramid_strides(strides: tuple[int, ...]) -> bool:
    """Whether an encoder of these strides is one that PyramidDecoder works with."""
    return OUT_STRIDE in strides and CROSS_VIEW_STRIDE in strides


def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, pixel centres half a pixel in."""
    return F.interpolate(x, size, mode="bilinear", align_corners=False)
