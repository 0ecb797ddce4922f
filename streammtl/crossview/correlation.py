"""Scores of a plane sweep by products first, samples after.

Bilinear sampling is linear, so <F_ref, sample(F_src)> = sample(<F_ref, F_src>): matrix products and then samples of
scalars take the place of samples of whole feature vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from streammtl.crossview.tiles import Run, TiledSweep
from streammtl.crossview.warp import MIN_DEPTH_RATIO

CACHE_BYTES = 1_000_000  # of boxes and their products at a time on a CPU; more would leave its cache


@dataclass(frozen=True)
class Landing:
    """Where reference pixels land in one source view: u, v [B,L,h*w] f32, of h x w maps."""

    u: Tensor
    v: Tensor
    height: int
    width: int


def box_runs(sweep: TiledSweep, channels: int, budget_bytes: int) -> list[Run]:
    """Runs of tiles whose products take at most budget_bytes and, with what they are made of, fit into the cache."""
    pixels = sweep.grid.pixels
    return sweep.runs(min(budget_bytes // (4 * pixels), CACHE_BYTES // (4 * (pixels + channels))))


def num_products(sweep: TiledSweep, runs: list[Run]) -> int:
    """How many products all runs hold."""
    return sweep.grid.pixels * sum((run.last - run.first) * run.height * run.width for run in runs)


def box_scores(
    reference: Tensor, source: Tensor, sweep: TiledSweep, runs: list[Run], inverse_depths: Tensor, budget_bytes: int
) -> Tensor:
    """Products <F_ref(p), F_src(p')> [B,h*w,L] f32; what points that are not visible get means nothing.

    Each tile of the reference is multiplied with the box of the source that its rays cross, a run of tiles at a time.
    Where a gradient is wanted and all runs together exceed the budget, products are computed again for it.
    Shapes: reference, source [B,C,h,w]; inverse_depths [B,L].
    """
    grid = sweep.grid
    tiles = grid.cut(reference.flatten(2).transpose(1, 2))
    vectors = source.flatten(2).transpose(1, 2).flatten(0, 1).contiguous()  # [B·h·w,C]
    rows = torch.arange(tiles.shape[0]) // grid.count
    folded = _folded_rays(sweep, runs, rows)
    held = 4 * num_products(sweep, runs) * (1 + reference.shape[1] // grid.pixels)
    compute = _again_for_gradients(_run_scores, held > budget_bytes, reference, source)
    planes = inverse_depths[:, None]
    scores = [
        compute(tiles, vectors, folded, run, planes if len(planes) == 1 else planes[rows[run.first : run.last]])
        for run in runs
    ]
    return grid.joined(torch.cat(scores) if len(scores) > 1 else scores[0])


@dataclass(frozen=True)
class _FoldedRays:
    """Rays in the -1..1 coordinates of each tile's box: (start + inverse depth · slope) x, y over the same of z.

    start, slope f32 [3,N,n,1] and [3,N,1,1]; corner i64 [N]: the box's first pixel among the rows of the source.
    """

    start: Tensor
    slope: Tensor
    corner: Tensor
    width: int  # of the source


@torch.no_grad()
def _folded_rays(sweep: TiledSweep, runs: list[Run], rows: Tensor) -> _FoldedRays:
    height, width = sweep.grid.height, sweep.grid.width
    sizes = torch.tensor([(run.width, run.height) for run in runs])
    sizes = sizes.repeat_interleave(torch.tensor([run.last - run.first for run in runs]), 0).t()  # [2,N]
    origin = torch.minimum(sweep.box_start, torch.tensor(((width,), (height,))) - sizes)
    scale = (2.0 / (sizes - 1).clamp(min=1))[..., None]
    shift = origin[..., None] * scale + 1.0

    def fold(of: Tensor) -> Tensor:
        return torch.cat((torch.addcmul(of[:2] * scale, shift, of[2:], value=-1.0), of[2:]))[..., None]

    corner = rows * (height * width) + origin[1] * width + origin[0]
    return _FoldedRays(fold(sweep.direction), fold(sweep.offset), corner, width)


def _run_scores(tiles: Tensor, vectors: Tensor, rays: _FoldedRays, run: Run, planes: Tensor) -> Tensor:
    """Scores f32 [tiles,n,L] of a run; planes: inverse depths [1 or tiles,1,L]."""
    count, pixels = run.last - run.first, tiles.shape[1]
    some = slice(run.first, run.last)
    if not run.height or not run.width:
        return vectors.new_zeros(count, pixels, planes.shape[-1], dtype=torch.float32)
    inside = torch.arange(run.height)[:, None] * rays.width + torch.arange(run.width)
    boxes = vectors.index_select(0, (rays.corner[some, None] + inside.view(-1)).view(-1)).view(
        count, inside.numel(), -1
    )
    products = (tiles[some] @ boxes.transpose(1, 2)).float()  # [tiles,n,box]
    with torch.no_grad():
        depth = torch.addcmul(rays.start[2, some], planes, rays.slope[2, some])
        inverse = depth.clamp_(min=MIN_DEPTH_RATIO).reciprocal_()
        place = torch.addcmul(rays.start[:2, some], planes, rays.slope[:2, some]).mul_(inverse)  # [2,tiles,n,L]
        # x and y stay apart in memory: grid_sample reads both forms, and weaving them together costs a pass
        place = place.flatten(1, 2).permute(1, 2, 0)[:, None]
    image = products.view(-1, 1, run.height, run.width)
    return F.grid_sample(image, place, align_corners=True).view(count, pixels, -1)


def all_pairs_scores(reference: Tensor, source: Tensor, landing: Landing, budget_bytes: int) -> Tensor:
    """Products <F_ref(p), F_src(p')> [B,L,h*w] f32; what points that are not visible get means nothing.

    Every reference pixel is multiplied with every source pixel, as many reference pixels at a time as the budget allows
    (one at the least): large products that suit a GPU, and nothing whose shape depends on the poses.
    Shapes: reference, source [B,C,h,w].
    """
    samples, _, pixels = landing.u.shape
    step = max(1, budget_bytes // (4 * samples * pixels))
    held = 4 * samples * pixels**2
    compute = _again_for_gradients(_some_pairs, held > budget_bytes, reference, source)
    parts = [slice(first, min(first + step, pixels)) for first in range(0, pixels, step)]
    scores = [compute(reference, source, landing, part) for part in parts]
    return torch.cat(scores, -1) if len(scores) > 1 else scores[0]


def _some_pairs(reference: Tensor, source: Tensor, landing: Landing, part: slice) -> Tensor:
    height, width = landing.height, landing.width
    products = reference.flatten(2)[..., part].transpose(1, 2) @ source.flatten(2)  # [B,n,h·w]
    u, v = landing.u[..., part], landing.v[..., part]
    place = torch.stack((u * (2.0 / max(width - 1, 1)) - 1.0, v * (2.0 / max(height - 1, 1)) - 1.0), -1)
    place = place.transpose(1, 2).flatten(0, 1)[:, None]  # [B·n,1,L,2]
    sampled = F.grid_sample(products.float().reshape(-1, 1, height, width), place, align_corners=True)
    return sampled.view(len(reference), -1, place.shape[2]).transpose(1, 2)


def _again_for_gradients(compute: Callable[..., Tensor], too_much: bool, *inputs: Tensor) -> Callable[..., Tensor]:
    """`compute`, or what forgets its intermediates and computes them again for a gradient where they are too much."""
    if not (too_much and torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)):
        return compute
    return lambda *arguments: checkpoint(compute, *arguments, use_reentrant=False)
