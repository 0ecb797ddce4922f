"""Means over valid pixels that invalid ones cannot touch."""

from __future__ import annotations

import torch
from torch import Tensor


def known(target: Tensor, valid: Tensor, fill: float = 0.0) -> Tensor:
    """Targets with `fill` where they are not valid, so that NaN there reaches neither value nor gradient."""
    return torch.where(valid, target, torch.full_like(target, fill))


def valid_mean(per_pixel: Tensor, valid: Tensor) -> Tensor:
    """Sum of [N,C,H,W] over channels and valid pixels by the number of valid pixels; 0 where there are none."""
    total = torch.where(valid, per_pixel, torch.zeros_like(per_pixel)).sum()
    return total / valid.sum().clamp(min=1)
