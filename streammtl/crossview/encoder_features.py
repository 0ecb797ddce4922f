"""Matching features read out of the network's encoder instead of a CNN of their own."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from streammtl.crossview.choices import MatchFeatures
from streammtl.crossview.spatial_encoder import STRIDE
from streammtl.encoders.low_rank import LowRankChange
from streammtl.encoders.pyramid import Encoder, FeaturePyramid
from streammtl.encoders.side_adapters import SideAdapters


class EncoderFeatures(nn.Module):
    """Images [N,3,H,W] to matching features [N,channels,H/8,W/8] by way of an encoder that belongs to the caller.

    Levels of stride 8 and coarser are brought to `channels` by one linear map each, to 1/8 bilinearly, and added.
    Source: cross-view MTL (arXiv 2511.20646), section 4.3 and Table 5.
    Raises: ConfigError for LoRA or adapters on an encoder they do not fit.
    """

    def __init__(self, encoder: Encoder, kind: MatchFeatures, channels: int) -> None:
        super().__init__()
        self.change = LowRankChange(encoder) if kind is MatchFeatures.LORA else None
        self.adapters = SideAdapters(encoder.channels, encoder.strides) if kind is MatchFeatures.ADAPTER else None
        self.taken = tuple(i for i, stride in enumerate(encoder.strides) if stride >= STRIDE)
        self.lateral = nn.ModuleList(nn.Conv2d(encoder.channels[i], channels, 1) for i in self.taken)

    def forward(self, encoder: Encoder, images: Tensor, plain: FeaturePyramid | None = None) -> Tensor:
        """`plain`: the encoder's pyramid of the same images, where the caller has it already."""
        if self.change is not None:
            pyramid = self.change(encoder, images)
        else:
            pyramid = encoder(images) if plain is None else plain
        if self.adapters is not None:
            pyramid = self.adapters(pyramid)
        size = (images.shape[-2] // STRIDE, images.shape[-1] // STRIDE)
        maps = (
            F.interpolate(lateral(pyramid.levels[i]), size, mode="bilinear", align_corners=False)
            for i, lateral in zip(self.taken, self.lateral, strict=True)
        )
        return sum(maps)
