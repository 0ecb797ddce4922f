"""The paper's decoder: all encoder levels brought to 1/4 and joined, one branch per task."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streammtl.crossview.module import CrossView
from streammtl.decoders.pyramid_decoder import OUT_STRIDE, conv_norm, resized
from streammtl.encoders.pyramid import FeaturePyramid

REDUCTION = 4


class LevelDecoder(nn.Module):
    """FeaturePyramid and CrossView to {task: features [B,width,H/4,W/4]}; works with any encoder.

    Per task: each level is reduced to a quarter of its width by a linear map, resized to 1/4, joined with matching
    features and cost volume, and fused by a 3x3 convolution. Levels of stride 2 are left out.
    width: of the fused features; None for that of the reduced levels together, rounded up to a multiple of 8.

    Source: cross-view MTL (arXiv 2511.20646), section 3.3 and appendix A1.2. Departure: group normalisation, which
    does not depend on the batch.
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
        taken = tuple(i for i, stride in enumerate(strides) if stride >= OUT_STRIDE)
        reduced = [max(channels[i] // REDUCTION, 8) for i in taken]
        self.taken = taken
        self.width = -(-(width or sum(reduced)) // 8) * 8
        self.laterals = nn.ModuleDict(
            {
                task: nn.ModuleList(nn.Conv2d(channels[i], out, 1) for i, out in zip(taken, reduced, strict=True))
                for task in tasks
            }
        )
        joined = sum(reduced) + cross_channels
        self.branches = nn.ModuleDict({task: conv_norm(joined, self.width) for task in tasks})

    def forward(self, pyramid: FeaturePyramid, cross_view: CrossView | None) -> dict[str, Tensor]:
        size = tuple(side // OUT_STRIDE for side in pyramid.image_size)
        shared = []
        if cross_view is not None:
            maps = cross_view.joined if cross_view.upsampled is None else cross_view.upsampled
            shared.append(resized(maps, size))
        features = {}
        for task, laterals in self.laterals.items():
            levels = pyramid.by_task.get(task, pyramid.levels)
            maps = [resized(lateral(levels[i]), size) for lateral, i in zip(laterals, self.taken, strict=True)]
            features[task] = self.branches[task](torch.cat((*maps, *shared), 1))
        return features
