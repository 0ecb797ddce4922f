"""M2H's decoder: one pyramid for all tasks, merged coarse to fine for each task on its own."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from streammtl.crossview.module import CrossView
from streammtl.decoders.bilinear import enlarged
from streammtl.decoders.pyramid_decoder import OUT_STRIDE, conv_norm
from streammtl.decoders.token_reassembly import TokenReassembly, conv3, to_stride
from streammtl.encoders.pyramid import FeaturePyramid

DEFAULT_WIDTH = 256
CROSS_VIEW_STRIDE = 8
GROUPS = 8


class FusionDecoder(nn.Module):
    """FeaturePyramid and CrossView to {task: features [B,width,H/4,W/4]}; works with any encoder.

    Cross-view features and volume are added at the end by a branch per task, so that a task mixer after it sees them.
    Source: M2H (arXiv 2510.17363), Eq. 2 and 3. Departures: group normalisation; features at 1/4 of the image, as the
    paper's text has it (its published code makes maps of 128 x 128 of an image of 224 x 224: 5.2 times the pixels).
    """

    def __init__(
        self,
        tasks: tuple[str, ...],
        channels: tuple[int, ...],
        strides: tuple[int, ...],
        cross_channels: int,
        width: int | None = None,
        depthwise: bool = False,
    ) -> None:
        super().__init__()
        self.width = width = width or DEFAULT_WIDTH
        self.reassemble = TokenReassembly(channels, strides, width, depthwise)
        self.fuse = nn.ModuleDict({t: ScaleFusion(width, self.reassemble.strides, depthwise) for t in tasks})
        self.cross = nn.ModuleDict({t: conv_norm(cross_channels, width) for t in tasks if cross_channels})

    def forward(self, pyramid: FeaturePyramid, cross_view: CrossView | None) -> dict[str, Tensor]:
        maps = self.reassemble(pyramid)
        features = {task: fuse(maps, pyramid.image_size) for task, fuse in self.fuse.items()}
        if cross_view is None:
            return features
        seen = cross_view.joined
        size = pyramid.image_size
        return {t: x + to_stride(self.cross[t](seen), CROSS_VIEW_STRIDE, OUT_STRIDE, size) for t, x in features.items()}


class ScaleFusion(nn.Module):
    """Maps of one width, fine to coarse, to one [B,width,H/4,W/4]: M2H's MSF, for one task."""

    def __init__(self, width: int, strides: tuple[int, ...], depthwise: bool) -> None:
        super().__init__()
        self.strides = strides
        self.before = nn.ModuleList(ResidualUnit(width, depthwise) for _ in strides[:-1])
        self.after = nn.ModuleList(ResidualUnit(width, depthwise) for _ in strides)
        self.out = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in strides)

    def forward(self, maps: list[Tensor], image_size: tuple[int, int]) -> Tensor:
        last = len(maps) - 1
        current = self.out[last](self.after[last](maps[last]))
        for i in reversed(range(last)):
            coarser = to_stride(current, self.strides[i + 1], self.strides[i], image_size)
            current = self.out[i](self.after[i](coarser + self.before[i](maps[i])))
        return to_stride(current, self.strides[0], OUT_STRIDE, image_size)


class ResidualUnit(nn.Module):
    """A map [B,width,h,w] and what two convolutions make of it."""

    def __init__(self, width: int, depthwise: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(GROUPS, width) for _ in range(2))
        self.convolutions = nn.ModuleList(conv3(width, width, depthwise) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        change = x
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            change = convolution(F.gelu(norm(change)))
        return x + change


class HeadDoubling(nn.Module):
    """A task's features [B,width,h,w] at twice the size and half the width: what comes before M2H's linear heads.

    Source: M2H's heads. Departure: x2, to half of the image, where its published code has x4 (512 x 512 for 224 x 224).
    """

    def __init__(self, width: int, depthwise: bool) -> None:
        super().__init__()
        self.width = width // 2
        self.narrow = conv3(width, self.width, depthwise)
        self.smooth = conv3(self.width, self.width, depthwise)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.smooth(enlarged(F.gelu(self.narrow(x)), 2.0)))
