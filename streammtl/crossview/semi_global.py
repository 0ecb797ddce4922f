"""Semi-global smoothing of a cost volume."""

from __future__ import annotations

import torch
from torch import Tensor

from streammtl.crossview.compiled_loops import compiled_loops

SHIFTS = (0, 1, -1)  # columns that a vertical path moves per row: straight, and both diagonals
PATHS = 2 * len(SHIFTS) + 2


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
    if (loops := compiled_loops(volume)) is not None:
        return (loops.path_costs(volume, guide, small_step, large_step, edge) / PATHS).permute(2, 0, 1)
    total = _both_ways(volume, guide, SHIFTS, small_step, large_step, edge)
    across = _both_ways(volume.transpose(0, 1).contiguous(), guide.t(), (0,), small_step, large_step, edge)
    return ((total + across.transpose(0, 1)) / PATHS).permute(2, 0, 1)


def _both_ways(
    volume: Tensor, guide: Tensor, shifts: tuple[int, ...], small_step: float, large_step: float, edge: float
) -> Tensor:
    """Sum [h,w,L] of path costs that run along the first axis, down and up, one path per shift."""
    costs = torch.stack((volume, volume.flip(0)))  # [2,h,w,L]
    penalties = _jump_penalties(torch.stack((guide, guide.flip(0))), shifts, small_step, large_step, edge)
    height, width, planes = volume.shape
    total = torch.empty_like(costs)
    total[:, 0] = costs[:, 0] * len(shifts)
    paths = costs[:, 0, None].expand(2, len(shifts), width, planes)
    # planes beyond both ends cost infinity, so that the planes next to each one are plain views of the buffer
    buffer = volume.new_full((2, len(shifts), width, planes + 2), torch.inf)
    previous, nearer, further = buffer[..., 1:-1], buffer[..., :-2], buffer[..., 2:]
    for row in range(1, height):
        for index, shift in enumerate(shifts):
            _copy_shifted(previous[:, index], paths[:, index], shift)
        lowest = previous.amin(-1, keepdim=True)
        paths = torch.minimum(nearer, further).add_(small_step)
        torch.minimum(paths, previous, out=paths)
        torch.minimum(paths, lowest + penalties[:, :, row - 1], out=paths)
        paths.sub_(lowest).add_(costs[:, row, None])
        torch.sum(paths, 1, out=total[:, row])
    return total[0] + total[1].flip(0)


def _jump_penalties(
    guides: Tensor, shifts: tuple[int, ...], small_step: float, large_step: float, edge: float
) -> Tensor:
    """Cost [2,D,h-1,w,1] of a jump between each row and the one before it, along each shift."""
    before = torch.empty_like(guides[:, None, :-1]).repeat(1, len(shifts), 1, 1)
    for index, shift in enumerate(shifts):
        _copy_shifted(before[:, index].transpose(1, 2), guides[:, :-1].transpose(1, 2), shift)
    jump = (before - guides[:, None, 1:]).abs_()
    return (small_step + (large_step - small_step) * torch.exp(jump / -edge))[..., None]


def _copy_shifted(target: Tensor, rows: Tensor, columns: int) -> None:
    """target [2,w,...] becomes rows moved along w; what would enter from outside is the border pixel's own."""
    if columns == 0:
        target.copy_(rows)
    elif columns > 0:
        target[:, columns:] = rows[:, :-columns]
        target[:, :columns] = rows[:, :columns]
    else:
        target[:, :columns] = rows[:, -columns:]
        target[:, columns:] = rows[:, columns:]
