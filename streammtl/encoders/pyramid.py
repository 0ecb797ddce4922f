"""The interface of image encoders."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class FeaturePyramid:
    """Feature maps of a batch of images, fine to coarse: levels[i] [N,C,ceil(H/s),ceil(W/s)] with s = strides[i]."""

    levels: tuple[Tensor, ...]
    strides: tuple[int, ...]


class Encoder(nn.Module):
    """Images f32 [N,3,H,W] in [0,1] to a FeaturePyramid; normalises them itself. Subclasses implement `levels`."""

    strides: tuple[int, ...]
    channels: tuple[int, ...]

    def __init__(self, mean: tuple[float, float, float], std: tuple[float, float, float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> FeaturePyramid:
        return FeaturePyramid(tuple(self.levels((images - self.mean) / self.std)), self.strides)

    def levels(self, normalised: Tensor) -> list[Tensor]:
        """Feature maps of normalised images, fine to coarse."""
        raise NotImplementedError
