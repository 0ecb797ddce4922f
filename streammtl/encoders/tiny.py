"""A small encoder without pretrained weights, for tests and for trying things out."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from streammtl.encoders.pyramid import Encoder


class TinyEncoder(Encoder):
    """Five strided convolutions."""

    strides = (2, 4, 8, 16, 32)
    channels = (8, 12, 16, 24, 32)

    def __init__(self) -> None:
        super().__init__(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
        widths = (3, *self.channels)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, stride=2, padding=1), nn.GroupNorm(4, o), nn.ReLU())
            for i, o in pairwise(widths)
        )

    def levels(self, normalised: Tensor) -> list[Tensor]:
        maps, current = [], normalised
        for stage in self.stages:
            current = stage(current)
            maps.append(current)
        return maps
