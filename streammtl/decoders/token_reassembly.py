"""The levels of any encoder as a pyramid of one width: M2H's MSTR."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from streammtl.decoders.bilinear import enlarged
from streammtl.decoders.pyramid_decoder import OUT_STRIDE
from streammtl.encoders.pyramid import FeaturePyramid
from streammtl.errors import ShapeError

TOKEN_STRIDES = (4, 8, 16, 32)  # what levels that share one stride are brought to, first to last


class TokenReassembly(nn.Module):
    """FeaturePyramid to maps [B,width,ceil(H/s),ceil(W/s)], s in `strides`, fine to coarse.

    A transformer's levels, all of one stride, become a pyramid; those of a hierarchical encoder keep theirs, and levels
    finer than 1/4 are left out. Patches of any size are placed where they belong in the image.
    Source: M2H (arXiv 2510.17363), Eq. 2, after DPT (arXiv 2103.13413). Departure: bilinear resampling and a 3x3
    convolution, where DPT has transposed convolutions, which only know the factors 4, 2 and 1/2.
    Raises: ShapeError for levels that cannot become a pyramid.
    """

    def __init__(self, channels: tuple[int, ...], strides: tuple[int, ...], width: int, depthwise: bool) -> None:
        super().__init__()
        self.taken = tuple(i for i, stride in enumerate(strides) if stride >= OUT_STRIDE)
        own = tuple(strides[i] for i in self.taken)
        self.strides = TOKEN_STRIDES[: len(own)] if len(set(own)) == 1 else own
        if len(self.strides) != len(own) or list(self.strides) != sorted(set(self.strides)):
            raise ShapeError(
                f"encoder strides {strides} do not make a pyramid; take up to four levels, fine to coarse."
            )
        self.project = nn.ModuleList(nn.Conv2d(channels[i], width, 1) for i in self.taken)
        self.refine = nn.ModuleList(conv3(width, width, depthwise) for _ in self.taken)

    def forward(self, pyramid: FeaturePyramid) -> list[Tensor]:
        maps = []
        for i, target, project, refine in zip(self.taken, self.strides, self.project, self.refine, strict=True):
            level = project(pyramid.levels[i])
            maps.append(refine(to_stride(level, pyramid.strides[i], target, pyramid.image_size)))
        return maps


def to_stride(x: Tensor, stride: int, target: int, image_size: tuple[int, int]) -> Tensor:
    """A map of that stride [B,C,h,w] on the grid of another, ceil(H/target) x ceil(W/target): bilinear, in place.

    The last pixels of a map may lie outside the image; they are not squeezed into it, as resizing to a size would do.
    """
    height, width = (-(-side // target) for side in image_size)
    if stride != target:
        x = enlarged(x, stride / target)
    x = x[..., :height, :width]
    below, beside = height - x.shape[-2], width - x.shape[-1]
    return F.pad(x, (0, beside, 0, below), mode="replicate") if below or beside else x


def conv3(channels_in: int, channels_out: int, depthwise: bool) -> nn.Module:
    """3x3 convolution, or, to save most of its work, one per channel and then a linear map."""
    if not depthwise:
        return nn.Conv2d(channels_in, channels_out, 3, padding=1)
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_in, 3, padding=1, groups=channels_in), nn.Conv2d(channels_in, channels_out, 1)
    )
