"""Tiles of the reference image, and the boxes of the source that their epipolar lines cross."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from streammtl.crossview.warp import MIN_DEPTH_RATIO, SweepGeometry

TILE = (4, 8)  # rows, columns; epipolar lines of most handheld motion run along rows
MARGIN = 1e-3  # pixels by which rounding may carry a point out of its box


@dataclass(frozen=True)
class TileGrid:
    """A map of height x width in `count` tiles of `pixels` each, row by row; edge pixels fill up the last ones.

    `order` i64 [count*pixels]: the map's pixels (row-major) in the order of the tiles.
    """

    height: int
    width: int
    tile: tuple[int, int]
    order: Tensor

    @property
    def pixels(self) -> int:
        return self.tile[0] * self.tile[1]

    @property
    def count(self) -> int:
        return self.order.numel() // self.pixels

    def cut(self, pixels_first: Tensor) -> Tensor:
        """[B,h*w,K] to [B*count,pixels,K]."""
        rows = torch.arange(pixels_first.shape[0])[:, None] * (self.height * self.width)
        taken = pixels_first.flatten(0, 1).contiguous().index_select(0, (rows + self.order).view(-1))
        return taken.view(-1, self.pixels, pixels_first.shape[-1])

    def joined(self, tiles: Tensor) -> Tensor:
        """[B*count,pixels,K] to [B,h*w,K], the inverse of `cut`."""
        down, right = -(-self.height // self.tile[0]), -(-self.width // self.tile[1])
        whole = tiles.view(-1, down, right, *self.tile, tiles.shape[-1]).transpose(2, 3)
        whole = whole.reshape(-1, down * self.tile[0], right * self.tile[1], tiles.shape[-1])
        return whole[:, : self.height, : self.width].flatten(1, 2)


def tile_grid(height: int, width: int, most_pixels: int) -> TileGrid:
    """Tiles of the usual size, or of as many pixels as are allowed (one at the least)."""
    rows, columns = TILE
    while rows * columns > max(most_pixels, 1):
        rows, columns = (rows, columns // 2) if columns > rows else (rows // 2, columns)
    return _grid(height, width, rows, columns)


@cache
@torch.inference_mode(False)  # kept for later calls, which may want gradients
def _grid(height: int, width: int, rows: int, columns: int) -> TileGrid:
    y = torch.arange(-(-height // rows) * rows).clamp(max=height - 1).view(-1, 1, rows, 1)
    x = torch.arange(-(-width // columns) * columns).clamp(max=width - 1).view(1, -1, 1, columns)
    return TileGrid(height, width, (rows, columns), (y * width + x).reshape(-1))


@dataclass(frozen=True)
class Run:
    """Consecutive tiles first..last-1 that share a size of box; 0 x 0 where they see nothing."""

    first: int
    last: int
    height: int
    width: int


@dataclass(frozen=True)
class TiledSweep:
    """The rays of one source view, tile by tile, and the boxes they need.

    direction [3,N,n], offset [3,N,1] as in SweepGeometry for N = B*count tiles of n pixels; box_start, box_end i64
    [2,N] (column, row) of the source pixels that visible points interpolate, empty where end = start = 0.
    """

    grid: TileGrid
    direction: Tensor
    offset: Tensor
    box_start: Tensor
    box_end: Tensor

    def runs(self, most_box_pixels: int) -> list[Run]:
        """All tiles in order, in runs whose boxes together hold at most that many pixels, or of one tile."""
        widths, heights = (self.box_end - self.box_start).tolist()
        runs, first, width, height = [], 0, 0, 0
        for tile, (w, h) in enumerate(zip(widths, heights, strict=True)):
            wider, higher = max(width, w), max(height, h)
            if tile > first and (tile + 1 - first) * wider * higher > most_box_pixels:
                runs.append(Run(first, tile, height, width))
                first, wider, higher = tile, w, h
            width, height = wider, higher
        return [*runs, Run(first, len(widths), height, width)]


@torch.no_grad()
def tiled_sweep(
    geometry: SweepGeometry, source: int, visible: tuple[Tensor, Tensor], inverse_depths: Tensor, most_pixels: int
) -> TiledSweep:
    """Tiles of the reference, of at most `most_pixels` pixels each, and their boxes in one source view.

    Shapes: visible: low, high [B,h*w] of SweepGeometry.visible_range; inverse_depths [B,L].
    """
    grid = tile_grid(geometry.height, geometry.width, most_pixels)
    low = torch.maximum(visible[0], inverse_depths.amin(1, keepdim=True))
    high = torch.minimum(visible[1], inverse_depths.amax(1, keepdim=True))
    rays = torch.cat((geometry.direction[:, source], low[:, None], high[:, None]), 1).transpose(1, 2)
    cut = grid.cut(rays).permute(2, 0, 1)  # [5,N,n]
    direction, ends = cut[:3], cut[3:]
    offset = geometry.offset[:, source].repeat_interleave(grid.count, 0).t()[..., None]
    seen = ends[0] <= ends[1]
    ends = torch.where(seen, ends, 0.0)
    depth = (direction[2] + offset[2] * ends).clamp(min=MIN_DEPTH_RATIO)
    place = (direction[:2, None] + offset[:2, None] * ends) / depth  # [2,ends,N,n]; lines are straight: ends suffice
    first = torch.where(seen, place.amin(1), torch.inf).amin(-1)
    last = torch.where(seen, place.amax(1), -torch.inf).amax(-1)
    found = seen.any(-1)
    size = torch.tensor(((geometry.width,), (geometry.height,)))
    start = torch.where(found, first - MARGIN, 0.0).floor().long().clamp(min=0)
    end = (torch.where(found, last + MARGIN, 0.0).floor().long() + 2).minimum(size)
    return TiledSweep(grid, direction, offset, start, torch.where(found, end, 0))
