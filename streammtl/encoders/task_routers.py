"""Adapter paths beside an encoder, and for each task a router that mixes them: what SAK makes of a ViT."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streammtl.encoders.pyramid import FeaturePyramid
from streammtl.encoders.side_adapters import SideAdapters

LEAST_NOISE = 1e-2


class TaskRouters(nn.Module):
    """FeaturePyramid to the same with `by_task` filled: each level is the encoder's own and those of `paths` adapter
    paths, weighed for each task. Needs levels of one stride and width, as a ViT's are.

    Source: SAK (arXiv 2410.14633), teacher-specific adapter paths and mixture of representations. Departure: adapters
    per level, not per block (see SideAdapters), which start as the encoder; nothing is distilled from teachers, so what
    tells the paths apart is what the tasks make of them.
    Raises: ConfigError for an encoder whose levels differ in stride or width.
    """

    def __init__(self, tasks: tuple[str, ...], channels: tuple[int, ...], strides: tuple[int, ...], paths: int) -> None:
        super().__init__()
        self.paths = nn.ModuleList(SideAdapters(channels, strides) for _ in range(paths))
        routers = {task: nn.ModuleList(Router(width, paths + 1) for width in channels) for task in tasks}
        self.routers = nn.ModuleDict(routers)

    def forward(self, pyramid: FeaturePyramid) -> FeaturePyramid:
        known = [pyramid.levels, *(path(pyramid).levels for path in self.paths)]
        known_by_level = list(zip(*known, strict=True))
        mixed = {
            task: tuple(router(maps) for router, maps in zip(routers, known_by_level, strict=True))
            for task, routers in self.routers.items()
        }
        return replace(pyramid, by_task=mixed)


class Router(nn.Module):
    """Maps [N,C,h,w], the encoder's first, to their mean [N,C,h,w], weighed by what the first one is like as a whole.

    While it learns, noise of a learned size joins the weights' logits, so that no map is given up early.
    """

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(width, width // 2), nn.LayerNorm(width // 2), nn.GELU(), nn.Linear(width // 2, 2 * count)
        )

    def forward(self, maps: tuple[Tensor, ...]) -> Tensor:
        weights = self.weights(maps[0])
        return torch.stack([w[:, None, None, None] * m for w, m in zip(weights.unbind(1), maps, strict=True)]).sum(0)

    def weights(self, first: Tensor) -> Tensor:
        """[N,count], positive, of sum 1."""
        logits, spread = self.gate(first.permute(0, 2, 3, 1)).mean((1, 2)).float().chunk(2, 1)
        if self.training:
            logits = logits + torch.randn_like(logits) * (F.softplus(spread) + LEAST_NOISE)
        return logits.softmax(1)
