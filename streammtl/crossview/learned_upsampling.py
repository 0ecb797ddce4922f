"""Learned upsampling of matching features and cost volume to the decoder's grid."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from streammtl.errors import ConfigError


class LearnedUpsampling(nn.Module):
    """Maps [N,C,h,w] to [N,C,factor h,factor w]: per doubling, bilinear, a 3x3 convolution and GELU.

    Raises: ConfigError unless the factor is 1, 2 or 4.
    Source: cross-view MTL (arXiv 2511.20646), appendix A1.2: "a learned 4x upsampling module". Two doublings on both
    maps give the parameters and operations of its Table A15; its heads work at 1/4, for which one would do.
    """

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        if factor not in (1, 2, 4):
            raise ConfigError(f"cross-view upsampling is {factor}; use 1, 2 or 4.")
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1) for _ in range(factor.bit_length() - 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        for convolution in self.convolutions:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = F.gelu(convolution(x))
        return x
