"""Bringing small depth maps to image size along the edges of the image."""

from __future__ import annotations

import torch
from torch import Tensor

SAME_SURFACE = 0.05  # relative difference of inverse depth


def upsample_along_edges(
    inverse_depth: Tensor, confidence: Tensor, guide_small: Tensor, guide: Tensor, contrast: float = 0.05
) -> tuple[Tensor, Tensor]:
    """Inverse depth and confidence at the size of the guide image.

    Each pixel looks at the four nearest small pixels, weighted by distance, likeness in the guide and confidence. It
    takes the mean over those that lie on the surface of the heaviest one (SAME_SURFACE), so no depth appears between
    two surfaces.

    Shapes: inverse_depth, confidence, guide_small [h,w]; guide [H,W] grey in [0,1] -> two of [H,W].
    """
    height, width = guide.shape
    rows, row_weights = _taps(height, inverse_depth.shape[0], guide)
    columns, column_weights = _taps(width, inverse_depth.shape[1], guide)
    stacked = torch.stack((inverse_depth, confidence, guide_small))
    taps, weights = [], []
    for y, weight_y in zip(rows, row_weights, strict=True):
        by_row = stacked[:, y]
        for x, weight_x in zip(columns, column_weights, strict=True):
            tap = by_row[:, :, x]  # [3,H,W]
            likeness = torch.exp((tap[2] - guide).abs() / -contrast)
            taps.append(tap[:2])
            weights.append(weight_y[:, None] * weight_x * (likeness + 1e-3) * (tap[1] + 0.05))
    heaviest, most = taps[0][0], weights[0]
    for tap, weight in zip(taps[1:], weights[1:], strict=True):
        heaviest = torch.where(weight > most, tap[0], heaviest)
        most = torch.maximum(weight, most)
    total, values = torch.zeros_like(guide), torch.zeros_like(taps[0])
    for tap, weight in zip(taps, weights, strict=True):
        weight = weight * ((tap[0] - heaviest).abs() <= SAME_SURFACE * heaviest)
        values += weight * tap
        total += weight
    return values[0] / total, values[1] / total


def _taps(size: int, small_size: int, like: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Indices and weights of the two small pixels next to every large one, pixel centres half a pixel in."""
    position = (torch.arange(size, device=like.device, dtype=like.dtype) + 0.5) * (small_size / size) - 0.5
    first = position.floor()
    fraction = position - first
    indices = (first.long().clamp(0, small_size - 1), (first.long() + 1).clamp(0, small_size - 1))
    return indices, (1.0 - fraction, fraction)
