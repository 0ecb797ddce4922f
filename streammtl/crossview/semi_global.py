"""Semi-global smoothing of a cost volume."""

from __future__ import annotations

import torch
from torch import Tensor

SHIFTS = (0, 1, -1)  # columns that a vertical path moves per row: straight, and both diagonals


def smooth_semi_global(
    cost: Tensor, guide: Tensor, small_step: float = 0.2, large_step: float = 4.0, edge: float = 0.15
) -> Tensor:
    """Mean path cost over eight directions.

    A change by one plane costs `small_step`, a larger one up to `large_step`; the latter falls with the difference of
    the guide image across the step (by e for a difference of `edge`), since depth jumps where the image does.

    Shapes: cost [L,h,w], low = good match; guide [h,w] grey in [0,1] -> [L,h,w].
    Source: Hirschmueller, Stereo processing by semiglobal matching and mutual information (PAMI 2008), Eq. 13.
    """
    volume = cost.permute(1, 2, 0).contiguous()  # [h,w,L]
    total = _both_ways(volume, guide, SHIFTS, small_step, large_step, edge)
    across = _both_ways(volume.transpose(0, 1).contiguous(), guide.t(), (0,), small_step, large_step, edge)
    return ((total + across.transpose(0, 1)) / (2 * len(SHIFTS) + 2)).permute(2, 0, 1)


def _both_ways(
    volume: Tensor, guide: Tensor, shifts: tuple[int, ...], small_step: float, large_step: float, edge: float
) -> Tensor:
    """Sum [h,w,L] of path costs that run along the first axis, down and up, one path per shift."""
    costs = torch.stack((volume, volume.flip(0)))  # [2,h,w,L]
    guides = torch.stack((guide, guide.flip(0)))  # [2,h,w]
    height, width, planes = volume.shape
    total = torch.empty_like(costs)
    paths = costs[:, 0, None].expand(2, len(shifts), width, planes)
    total[:, 0] = costs[:, 0] * len(shifts)
    outside = volume.new_full((2, len(shifts), width, 1), torch.inf)
    for row in range(1, height):
        previous = torch.stack([_shifted(paths[:, i], shift) for i, shift in enumerate(shifts)], 1)
        guide_before = torch.stack([_shifted(guides[:, row - 1], shift) for shift in shifts], 1)  # [2,D,w]
        jump = (guide_before - guides[:, row, None]).abs_()
        penalty = small_step + (large_step - small_step) * torch.exp(jump / -edge)
        lowest = previous.amin(-1, keepdim=True)
        nearer = torch.cat((outside, previous[..., :-1]), -1)
        further = torch.cat((previous[..., 1:], outside), -1)
        step = torch.minimum(nearer, further).add_(small_step)
        step = torch.minimum(step, previous)
        step = torch.minimum(step, lowest + penalty[..., None])
        paths = step.sub_(lowest).add_(costs[:, row, None])
        torch.sum(paths, 1, out=total[:, row])
    return total[0] + total[1].flip(0)


def _shifted(rows: Tensor, columns: int) -> Tensor:
    """rows [2,w,...] moved along w; the path that would enter from outside starts at the border pixel itself."""
    if columns == 0:
        return rows
    moved = torch.roll(rows, columns, 1)
    border = 0 if columns > 0 else -1
    moved[:, border] = rows[:, border]
    return moved
