"""Scores of a plane sweep by all products first, samples after: tile by tile, so that memory stays bounded.

Bilinear sampling is linear, so <F_ref, sample(F_src)> = sample(<F_ref, F_src>): one matrix product and then samples of
scalars take the place of samples of whole feature vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CACHE_BYTES = 3_000_000  # products of one tile on a CPU; more of them would leave its cache


@dataclass(frozen=True)
class Landing:
    """Where reference pixels land in one source view: u, v [B,L,h*w] f32 and visible bool [B,L,h*w], of h x w maps."""

    u: Tensor
    v: Tensor
    visible: Tensor
    height: int
    width: int


@dataclass(frozen=True)
class Tile:
    """Reference pixels first..last-1 (row-major) of samples low..high-1, and the box of the source they land in."""

    low: int
    high: int
    first: int
    last: int
    top: int
    bottom: int
    left: int
    right: int

    @property
    def products(self) -> int:
        box = (self.bottom - self.top) * (self.right - self.left)
        return (self.high - self.low) * (self.last - self.first) * box


def plan_tiles(landing: Landing, budget_bytes: int) -> list[list[Tile]]:
    """Tiles whose products take at most budget_bytes each, one reference pixel at the least; one list per sample, or
    one of all samples together.

    On a CPU each tile knows the box that its visible points land in, the epipolar band of a few rows: products outside
    it are never looked at. Elsewhere finding the box would stall the device, and it is the whole source.
    """
    if landing.u.device.type == "cpu":
        return boxed_tiles(landing, min(budget_bytes, CACHE_BYTES))
    return whole_source_tiles(landing, budget_bytes)


def whole_source_tiles(landing: Landing, budget_bytes: int) -> list[list[Tile]]:
    """Tiles of all samples together, each with the whole source."""
    samples, _, pixels = landing.u.shape
    step = max(1, budget_bytes // (4 * samples * pixels))
    firsts = range(0, pixels, step)
    return [[Tile(0, samples, i, min(i + step, pixels), 0, landing.height, 0, landing.width) for i in firsts]]


def boxed_tiles(landing: Landing, budget_bytes: int) -> list[list[Tile]]:
    """Tiles of whole rows where the budget allows, per sample, each with the box of the source it needs."""
    pixels = landing.u.shape[-1]
    step = max(1, budget_bytes // (4 * pixels))
    if step >= landing.width:
        step -= step % landing.width
    firsts = range(0, pixels, step)
    boxes = _boxes(landing, step)  # [B,tiles,4]
    return [
        [
            Tile(sample, sample + 1, first, min(first + step, pixels), *box)
            for first, box in zip(firsts, sample_boxes, strict=True)
        ]
        for sample, sample_boxes in enumerate(boxes.tolist())
    ]


def _boxes(landing: Landing, step: int) -> Tensor:
    """top, bottom, left, right i64 [B,tiles,4] of the source pixels that visible points interpolate; empty: 0, 0."""
    pixels = landing.u.shape[-1]
    padding = -pixels % step

    def extremes(coordinate: Tensor, size: int) -> tuple[Tensor, Tensor]:
        low = torch.where(landing.visible, coordinate, torch.inf).amin(1)
        high = torch.where(landing.visible, coordinate, -torch.inf).amax(1)
        low = F.pad(low, (0, padding), value=torch.inf).unflatten(1, (-1, step)).amin(-1)
        high = F.pad(high, (0, padding), value=-torch.inf).unflatten(1, (-1, step)).amax(-1)
        found = low <= high
        start = torch.where(found, low, 0.0).floor().long()
        end = torch.where(found, high, -1.0).floor().long() + 2
        return start, torch.where(found, end.clamp(max=size), 0)

    with torch.no_grad():
        return torch.stack((*extremes(landing.v, landing.height), *extremes(landing.u, landing.width)), -1)


def num_products(tiles: list[list[Tile]]) -> int:
    """How many products all tiles hold."""
    return sum(tile.products for row in tiles for tile in row)


def correlation_scores(
    reference: Tensor, source: Tensor, landing: Landing, tiles: list[list[Tile]], budget_bytes: int
) -> Tensor:
    """Products <F_ref(p), F_src(p')> [B,L,h*w] f32; what points that are not visible get means nothing.

    Where a gradient is wanted and all products together exceed the budget, they are computed again for it.
    Shapes: reference, source [B,C,h,w].
    """
    wants_gradient = torch.is_grad_enabled() and (reference.requires_grad or source.requires_grad)
    again = wants_gradient and 4 * num_products(tiles) > budget_bytes

    def scores(tile: Tile) -> Tensor:
        inputs = (reference, source, landing, tile)
        return checkpoint(_tile_scores, *inputs, use_reentrant=False) if again else _tile_scores(*inputs)

    return torch.cat([torch.cat([scores(tile) for tile in row], -1) for row in tiles])


def _tile_scores(reference: Tensor, source: Tensor, landing: Landing, tile: Tile) -> Tensor:
    """Scores f32 [b,L,n] of the b samples and n reference pixels of a tile."""
    some, here = slice(tile.low, tile.high), slice(tile.first, tile.last)
    height, width = tile.bottom - tile.top, tile.right - tile.left
    count = tile.last - tile.first
    if not height or not width:
        return reference.new_zeros(tile.high - tile.low, landing.u.shape[1], count, dtype=torch.float32)
    box = source[some, :, tile.top : tile.bottom, tile.left : tile.right]
    products = reference[some].flatten(2)[..., here].transpose(1, 2) @ box.flatten(2)  # [b,count,box]
    u, v = landing.u[some, :, here] - tile.left, landing.v[some, :, here] - tile.top
    grid = torch.stack((u * (2.0 / max(width - 1, 1)) - 1.0, v * (2.0 / max(height - 1, 1)) - 1.0), -1)
    grid = grid.transpose(1, 2).flatten(0, 1)[:, None]  # [b·count,1,L,2]
    sampled = F.grid_sample(products.float().reshape(-1, 1, height, width), grid, align_corners=True)
    return sampled.view(-1, count, grid.shape[2]).transpose(1, 2)
