"""Adapters beside an encoder: a narrow path of its own that reads the encoder's levels one after the other."""

from __future__ import annotations

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor, nn

from streammtl.encoders.pyramid import FeaturePyramid
from streammtl.errors import ConfigError


class SideAdapters(nn.Module):
    """FeaturePyramid to a FeaturePyramid of the same shapes; starts as the identity.

    Level by level, what the path knows so far is added to the encoder's map and passes a bottleneck with a residual.
    Needs levels of one stride and width, as a ViT's are.
    Source: the adapter path of SAK (arXiv 2410.14633). Departure: one adapter per level instead of one per block.
    Raises: ConfigError for an encoder whose levels differ in stride or width.
    """

    def __init__(self, channels: tuple[int, ...], strides: tuple[int, ...], bottleneck: int = 64) -> None:
        super().__init__()
        if len(set(channels)) > 1 or len(set(strides)) > 1:
            raise ConfigError(
                f"adapters need levels of one stride and width; this encoder has strides {strides} and widths "
                f"{channels}. Use a vision transformer, or match_features=encoder."
            )
        self.adapters = nn.ModuleList(Bottleneck(width, bottleneck) for width in channels)

    def forward(self, pyramid: FeaturePyramid) -> FeaturePyramid:
        path, maps = None, []
        for adapter, level in zip(self.adapters, pyramid.levels, strict=True):
            change = adapter(level if path is None else level + path)
            path = change if path is None else path + change
            maps.append(level + path)
        return replace(pyramid, levels=tuple(maps))


class Bottleneck(nn.Module):
    """The change [N,C,h,w] that a narrow layer makes to a map [N,C,h,w]; starts at zero."""

    def __init__(self, channels: int, bottleneck: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.down, self.up = nn.Linear(channels, bottleneck), nn.Linear(bottleneck, channels)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, level: Tensor) -> Tensor:
        tokens = self.norm(level.permute(0, 2, 3, 1))
        return self.up(F.gelu(self.down(tokens))).permute(0, 3, 1, 2)
