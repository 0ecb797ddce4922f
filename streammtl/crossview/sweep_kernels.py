"""The loops of a photometric sweep, compiled for a CPU: patches matched over planes, and semi-global smoothing.

They give what patch_matching and semi_global give in PyTorch, up to rounding, in a third of the time.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from streammtl.kernel_threads import at_most

NO_NAN = {"nnan", "nsz"}  # so that several planes are compared at a time


def matched_patches(
    *maps: Tensor, nearest: float, unseen_cost: float, worst_cost: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Scores [S,h,w,L], visible [S,h,w,L] and cost [h,w,L], as patch_matching.PatchMatches has them.

    maps, all float32: features [1+S,h,w,C], C a power of two, 8 at least; direction [S,3,h,w], offset [S,3] as in
    SweepGeometry; low, high [S,h,w]: the inverse depths between which a point is visible; inverse depths [L].
    nearest: least depth in the other camera.
    """
    limits = (np.float32(limit) for limit in (nearest, unseen_cost, worst_cost))
    with at_most(torch.get_num_threads()):
        found = _match_patches(*(of.contiguous().numpy() for of in maps), *limits)
    return tuple(torch.from_numpy(of) for of in found)


def path_costs(volume: Tensor, guide: Tensor, small_step: float, large_step: float, edge: float) -> Tensor:
    """Sum [h,w,L] of the costs of eight paths through volume [h,w,L]; the rest as smooth_semi_global takes it."""
    steps = (np.float32(of) for of in (small_step, large_step, edge))
    with at_most(torch.get_num_threads()):
        total = _path_costs(volume.contiguous().numpy(), guide.contiguous().numpy(), *steps)
    return torch.from_numpy(total[0]).add_(torch.from_numpy(total[1]))


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")
def _match_patches(features, direction, offset, low, high, inverse_depths, nearest, unseen, worst):
    views, height, width, channels = features.shape
    sources, planes = views - 1, len(inverse_depths)
    scores = np.zeros((sources, height, width, planes), np.float32)
    visible = np.zeros((sources, height, width, planes), np.bool_)
    cost = np.empty((height, width, planes), np.float32)
    for y in prange(height):
        total, seen = np.empty(planes, np.float32), np.empty(planes, np.float32)
        products = np.empty(channels, np.float32)
        for x in range(width):
            total[:] = 0.0
            seen[:] = 0.0
            for s in range(sources):
                _match_pixel(
                    features[0, y, x],
                    features[s + 1],
                    direction[s, :, y, x],
                    offset[s],
                    low[s, y, x],
                    high[s, y, x],
                    inverse_depths,
                    nearest,
                    scores[s, y, x],
                    visible[s, y, x],
                    total,
                    seen,
                    products,
                )
            for k in range(planes):
                mean = np.float32(1.0) - total[k] / max(seen[k], np.float32(1.0))
                cost[y, x, k] = min(mean if seen[k] > 0 else unseen, worst)
    return scores, visible, cost


@njit(cache=True, nogil=True, error_model="numpy")
def _match_pixel(
    reference, source, start, slope, low, high, inverse_depths, nearest, scores, visible, total, seen, products
):
    """One pixel in one source at every depth; adds to the sums of scores and of views that see the point.

    Products are added in halves: an order that is the same however this is compiled.
    """
    height, width, channels = source.shape
    for k in range(len(inverse_depths)):
        inverse = inverse_depths[k]
        if not low <= inverse <= high:
            continue
        scale = np.float32(1.0) / max(start[2] + inverse * slope[2], nearest)
        u = min(max((start[0] + inverse * slope[0]) * scale, np.float32(0.0)), np.float32(width - 1))
        v = min(max((start[1] + inverse * slope[1]) * scale, np.float32(0.0)), np.float32(height - 1))
        column, row = min(int(u), width - 2), min(int(v), height - 2)
        right, below = u - np.float32(column), v - np.float32(row)
        left, above = np.float32(1.0) - right, np.float32(1.0) - below
        a, b, c, d = above * left, above * right, below * left, below * right
        for channel in range(channels):
            sample = a * source[row, column, channel] + b * source[row, column + 1, channel]
            sample += c * source[row + 1, column, channel] + d * source[row + 1, column + 1, channel]
            products[channel] = reference[channel] * sample
        half = channels // 2
        while half > 4:
            for channel in range(half):
                products[channel] += products[half + channel]
            half //= 2
        score = (products[0] + products[4]) + (products[2] + products[6])
        score += (products[1] + products[5]) + (products[3] + products[7])
        scores[k] = score
        visible[k] = True
        total[k] += score
        seen[k] += np.float32(1.0)


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")
def _path_costs(volume, guide, small_step, large_step, edge):
    """f32 [2,h,w,L]: the four paths from above and from the left, and the four from below and from the right."""
    total = np.empty((2, *volume.shape), np.float32)
    for way in prange(2):
        if way == 0:
            _four_paths(volume, guide, small_step, large_step, edge, total[0])
        else:
            _four_paths(volume[::-1, ::-1], guide[::-1, ::-1], small_step, large_step, edge, total[1, ::-1, ::-1])
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _four_paths(volume, guide, small_step, large_step, edge, total):
    """Paths down, down and right, down and left, and right."""
    height, width, planes = volume.shape
    # planes beyond both ends cost infinity; a row of paths for each that runs down, before and after a step
    rows = np.full((2, 3, width, planes + 2), np.inf, np.float32)
    along = np.full((2, planes + 2), np.inf, np.float32)
    lowest = np.empty((2, 3, width), np.float32)
    for y in range(height):
        old, new = y % 2, 1 - y % 2
        across = np.float32(0.0)
        for x in range(width):
            cost, sums = volume[y, x], total[y, x]
            if y == 0:
                for i in range(3):
                    lowest[new, i, x] = _begin(cost, rows[new, i, x])
                for k in range(planes):
                    sums[k] = np.float32(3.0) * cost[k]
            else:
                sums[:] = 0.0
                for i in range(3):
                    before = x - i if i < 2 else x + 1  # one that leaves the image goes on at the border
                    if not 0 <= before < width:
                        before = x
                    jump = _jump(guide[y, x] - guide[y - 1, before], small_step, large_step, edge)
                    lowest[new, i, x] = _step(
                        cost, rows[old, i, before], lowest[old, i, before], small_step, jump, rows[new, i, x], sums
                    )
            if x == 0:
                across = _begin(cost, along[1])
                for k in range(planes):
                    sums[k] += cost[k]
            else:
                jump = _jump(guide[y, x] - guide[y, x - 1], small_step, large_step, edge)
                across = _step(cost, along[x % 2], across, small_step, jump, along[1 - x % 2], sums)


@njit(cache=True, nogil=True, error_model="numpy")
def _jump(difference, small_step, large_step, edge):
    return small_step + (large_step - small_step) * np.float32(math.exp(-abs(difference) / edge))


@njit(cache=True, nogil=True, fastmath=NO_NAN, error_model="numpy")
def _begin(cost, path):
    lowest = np.float32(np.inf)
    for k in range(len(cost)):
        path[k + 1] = cost[k]
        lowest = min(lowest, cost[k])
    return lowest


@njit(cache=True, nogil=True, fastmath=NO_NAN, error_model="numpy")
def _step(cost, before, lowest_before, small_step, jump, path, sums):
    """One pixel further along a path: adds its costs to the sums and gives the lowest."""
    lowest, limit = np.float32(np.inf), lowest_before + jump
    for k in range(len(cost)):
        beside = min(before[k], before[k + 2]) + small_step
        value = min(min(beside, before[k + 1]), limit) - lowest_before + cost[k]
        path[k + 1] = value
        sums[k] += value
        lowest = min(lowest, value)
    return lowest
