"""Reads a depth image where it can be trusted."""

from __future__ import annotations

import numpy as np

_STEPS = np.arange(-2, 3)
_MIN_DEPTH_M = 0.1


def depth_at(depth_m: np.ndarray | None, uv: np.ndarray, max_depth_m: float) -> np.ndarray:
    """Depth f64 [N], metres along the optical axis, at image pixels uv f64 [N,2] of f32 [H,W]; 0 where there is none.

    The median of 5 x 5 pixels; at depth edges, where a corner may belong to either side, there is none. NaN, infinite
    and out-of-range values count as missing.
    """
    if depth_m is None or not len(uv):
        return np.zeros(len(uv))
    height, width = depth_m.shape
    rows = np.clip(np.rint(uv[:, 1]).astype(int)[:, None, None] + _STEPS[:, None], 0, height - 1)
    columns = np.clip(np.rint(uv[:, 0]).astype(int)[:, None, None] + _STEPS[None, :], 0, width - 1)
    around = depth_m[rows, columns].reshape(len(uv), -1).astype(np.float64)
    valid = np.isfinite(around) & (around > _MIN_DEPTH_M) & (around < max_depth_m)
    ordered = np.sort(np.where(valid, around, 1e6), axis=1)  # missing ones last
    count = valid.sum(axis=1)
    rows_all = np.arange(len(uv))
    median = ordered[rows_all, np.maximum(count - 1, 0) // 2]
    spread = ordered[rows_all, np.maximum(count - 1, 0)] - ordered[:, 0]
    trusted = (count >= 9) & (spread < 0.05 * median)
    return np.where(trusted, median, 0.0)
