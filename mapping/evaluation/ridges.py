"""From a probability map of boundaries to its ridges: non-maximum suppression across the boundary."""

from __future__ import annotations

import cv2
import numpy as np

BORDER_PX = 5
MARGIN = 1.01  # a pixel survives neighbours that are at most this factor higher
ORIENTATION_RADIUS = 4


def ridges(probability: np.ndarray, smooth: bool, radius: int) -> np.ndarray:
    """f32 [H,W]: the probability f32 [H,W] where it is the largest within `radius` across the boundary, else 0.

    `smooth` blurs it first. The outermost 5 pixels fade to 0.
    Source: structured edges (Dollar and Zitnick 2015), own implementation.
    """
    values = probability.astype(np.float32)
    if smooth:
        values = triangle_blur(values, 1)
    across = orientation(values)
    rows, columns = np.nonzero(values > 0)
    step_y, step_x = np.sin(across[rows, columns]), np.cos(across[rows, columns])
    kept = np.ones(len(rows), bool)
    own = values[rows, columns] * np.float32(MARGIN)
    for distance in (*range(-radius, 0), *range(1, radius + 1)):
        kept &= own >= _bilinear(values, rows + distance * step_y, columns + distance * step_x)
    result = np.zeros_like(values)
    result[rows[kept], columns[kept]] = values[rows[kept], columns[kept]]
    return result * np.outer(_fade(values.shape[0]), _fade(values.shape[1])).astype(np.float32)


def orientation(values: np.ndarray) -> np.ndarray:
    """f32 [H,W] angle in 0..pi, from the column axis to the row axis, across the ridges of f32 [H,W].

    The original's formula, kept: the ratio of second derivatives is tan^2, so angles are up to 12 degrees off between
    the axes and the diagonals.
    """
    blurred = triangle_blur(values, ORIENTATION_RADIUS)
    along_rows, along_columns = np.gradient(blurred)
    second_columns = np.gradient(along_columns, axis=1)
    second_rows, mixed = np.gradient(along_rows)
    sign = np.where(mixed > 0, -1.0, 1.0)
    run = second_columns + 1e-5
    return np.mod(np.arctan2(np.copysign(1, run) * second_rows * sign, np.abs(run)), np.pi).astype(np.float32)


def triangle_blur(values: np.ndarray, radius: int) -> np.ndarray:
    """Convolution with a triangle of that radius along both axes; the image is mirrored at its border."""
    kernel = np.concatenate((np.arange(1, radius + 2), np.arange(radius, 0, -1))).astype(np.float32)
    kernel /= kernel.sum()
    return cv2.sepFilter2D(values, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT)


def _bilinear(values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    height, width = values.shape
    rows, columns = np.clip(rows, 0, height - 1.001), np.clip(columns, 0, width - 1.001)
    y, x = rows.astype(np.intp), columns.astype(np.intp)
    dy, dx = (rows - y).astype(np.float32), (columns - x).astype(np.float32)
    flat, at = values.reshape(-1), y * width + x
    upper = flat[at] * (1 - dx) + flat[at + 1] * dx
    lower = flat[at + width] * (1 - dx) + flat[at + width + 1] * dx
    return upper * (1 - dy) + lower * dy


def _fade(size: int) -> np.ndarray:
    at = np.arange(size)
    return np.minimum(np.minimum(at, at[::-1]) / BORDER_PX, 1.0)
