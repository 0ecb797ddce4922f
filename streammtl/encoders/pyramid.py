"""The interface of image encoders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class FeaturePyramid:
    """Feature maps of a batch of images, fine to coarse or, for a ViT, early to late.

    Shapes: levels[i] [N,C,ceil(H/s),ceil(W/s)] with s = strides[i], for images of image_size (H, W); summary [N,C] is
    what the class token says, None without one; by_task: the levels as single tasks have them, where those differ.
    """

    levels: tuple[Tensor, ...]
    strides: tuple[int, ...]
    image_size: tuple[int, int]
    summary: Tensor | None = None
    by_task: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict)


class Encoder(nn.Module, ABC):
    """Images f32 [N,3,H,W] in [0,1] to a FeaturePyramid; normalises and pads them itself.

    Any size works: images are padded at the right and bottom to `size_multiple` by repeating the border, and what the
    padding added is cut off the features. Subclasses implement `levels`, or `encode` where there is a summary too.
    """

    strides: tuple[int, ...]
    channels: tuple[int, ...]
    size_multiple: int = 1

    def __init__(self, mean: tuple[float, float, float], std: tuple[float, float, float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> FeaturePyramid:
        height, width = images.shape[-2:]
        padded = pad_to_multiple((images - self.mean) / self.std, self.size_multiple)
        maps, summary = self.encode(padded)
        cut = (m[..., : -(-height // s), : -(-width // s)] for m, s in zip(maps, self.strides, strict=True))
        return FeaturePyramid(tuple(cut), self.strides, (height, width), summary)

    def encode(self, normalised: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """Levels and summary of images that are normalised and padded."""
        return self.levels(normalised), None

    @abstractmethod
    def levels(self, normalised: Tensor) -> list[Tensor]:
        """One map per stride of images that are normalised and padded."""


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Images [N,C,H,W] with the last row and column repeated until both sides are multiples."""
    height, width = images.shape[-2:]
    below, right = -height % multiple, -width % multiple
    return F.pad(images, (0, right, 0, below), mode="replicate") if below or right else images
