"""The least and greatest depth of any window of an image, at once."""

from __future__ import annotations

import numpy as np
from numba import njit

LEVELS = 5  # windows of more than 2^LEVELS tiles a side are taken for the whole image


@njit(cache=True, nogil=True)
def depth_windows(tiles):
    """Of tiles f32 [th,tw,2], each with a least value of two kinds, the least in windows of 2^level tiles a side that
    begin at a tile, f32 [LEVELS,th,2*tw], and in the whole image, f32 [2]. Beyond the image there is nothing."""
    rows, columns = tiles.shape[0], 2 * tiles.shape[1]
    windows = np.empty((LEVELS, rows, columns), np.float32)
    line = np.empty(columns, np.float32)
    windows[0] = tiles.reshape(rows, columns)
    for level in range(1, LEVELS):
        step = 1 << (level - 1)
        for row in range(rows):
            _least(windows[level - 1, row], windows[level - 1, min(row + step, rows - 1)], line)
            shared = max(columns - 2 * step, 0)
            _least(line[:shared], line[columns - shared :], windows[level, row, :shared])
            windows[level, row, shared:] = line[shared:]
    step, overall = 1 << (LEVELS - 1), np.full(2, np.inf, np.float32)
    for row in range(0, rows, step):
        for column in range(0, columns, 2 * step):
            _least(windows[LEVELS - 1, row, column : column + 2], overall, overall)
    return windows, overall


@njit(cache=True, nogil=True)
def _least(one, two, out):
    for i in range(len(out)):
        out[i] = min(one[i], two[i])


@njit(cache=True, nogil=True, inline="always")
def least_within(windows, overall, rows, columns, top, bottom, left, right):
    """The least of both kinds among tiles top..bottom, left..right, all within the image, ends included, or less, from
    flat `windows` of an image of so many tiles.

    Four windows cover it, one in each corner. Where it is longer than high, they reach out of it.
    """
    longest, level = max(bottom - top, right - left), 0
    while longest >> level > 1:
        level += 1
    if level >= LEVELS:
        return overall[0], overall[1]
    back = (1 << level) - 1
    upper, lower = (level * rows + top) * columns, (level * rows + max(bottom - back, top)) * columns
    right = max(right - back, left)
    a, b = np.uint64(2 * (upper + left)), np.uint64(2 * (upper + right))
    c, d, one = np.uint64(2 * (lower + left)), np.uint64(2 * (lower + right)), np.uint64(1)
    first = min(min(windows[a], windows[b]), min(windows[c], windows[d]))
    return first, min(min(windows[a + one], windows[b + one]), min(windows[c + one], windows[d + one]))
