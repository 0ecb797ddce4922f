"""The running averages that a voxel keeps."""

from __future__ import annotations

import numpy as np
from numba import njit

from mapping.fusion.rounding import chance
from mapping.fusion.voxels import CELL, COLOUR, TSDF_ONE, WEIGHT


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def average_cells(voxels, cells, starts, distances, read, rules):
    """Running averages of the tsdf, weight and colour of cells, listed in `cells` i64, each of which begins at `starts`
    i64 in `voxels`, in pairs of u16: with what their voxels have `read` of pixels u64 at these distances.

    Values are rounded up or down with the probability of their fraction, so that small changes are not lost.
    """
    tsdf, weight, colour = voxels.view(np.int16), voxels, voxels.view(np.uint32)
    pixel_weight, pixel_colour = read.view(np.float32), read.view(np.int32)
    truncation, per_truncation = np.float32(rules.truncation_m), np.float32(TSDF_ONE / rules.truncation_m)
    free, most = np.float32(rules.free_space_weight), np.float32(rules.max_weight)
    zero, one, half, whole = np.float32(0), np.float32(1), np.float32(0.5), np.float32(TSDF_ONE)
    for cell in cells:
        pair = np.uint64(starts[cell])
        place = np.uint64(2) * pair
        first, twice = np.uint64(cell * CELL), np.uint64(cell * (2 * CELL))
        for n in range(CELL):
            i = np.uint64(n)
            d = distances[first + i]
            new = pixel_weight[twice + np.uint64(2 * n)]
            new = np.float32(np.int32(new * (free if d > truncation else one) + half))
            new = new if d >= -truncation else zero
            total = np.float32(weight[place + np.uint64(WEIGHT) + i]) + new
            share = new / (total if total > one else one)
            fraction = chance(np.float32(d).view(np.int32) + np.int32(total))
            old = np.float32(tsdf[place + i])
            goal = d * per_truncation
            goal = goal if goal < whole else whole
            goal = goal if d >= -truncation else zero
            value = (goal - old) * share + (old + (fraction + (whole + whole)))
            tsdf[place + i] = np.int16(np.int32(value) - np.int32(2 * TSDF_ONE))
            weight[place + np.uint64(WEIGHT) + i] = np.uint16(np.int32(total if total < most else most))
            at = pair + np.uint64(COLOUR // 2) + i
            before, now = np.int32(colour[at]), pixel_colour[twice + np.uint64(2 * n + 1)]
            red = _mixed(before, now, share, fraction, 0)
            green = _mixed(before, now, share, fraction, 10)
            blue = _mixed(before, now, share, fraction, 20)
            colour[at] = np.uint32(red | green | blue)


@njit(cache=True, nogil=True, inline="always")
def _mixed(before, now, share, fraction, first_bit):
    """One of three colours of ten bits, which stays where its bits are."""
    mask = np.int32(1023 << first_bit)
    old = np.float32(np.int32(before & mask))
    value = (np.float32(np.int32(now & mask)) - old) * share + (fraction * np.float32(1 << first_bit) + old)
    return np.int32(np.int32(value) & mask)
