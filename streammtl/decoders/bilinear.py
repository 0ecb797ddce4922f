"""Bilinear enlargement that is not slow to learn through."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor


def enlarged(x: Tensor, factor: float) -> Tensor:
    """[B,C,h,w] at `factor` times the size, bilinear, pixel centres half a pixel in.

    In bfloat16 on a CPU the gradient of PyTorch's takes three to six times as long as two products with matrices that
    hold the same weights.
    """
    plain = not (x.requires_grad and x.device.type == "cpu" and x.dtype == torch.bfloat16 and factor == int(factor))
    if plain or torch.compiler.is_compiling():
        return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    down, across = (_weights(side, int(factor)) for side in x.shape[-2:])
    return down @ (x @ across.t())


@cache
@torch.inference_mode(False)  # kept for later calls, which want gradients
def _weights(side: int, factor: int) -> Tensor:
    """bf16 [factor·side,side] a column's pixels after, out of those before."""
    columns = torch.eye(side).view(1, side, side, 1)  # as channels
    after = F.interpolate(columns, (factor * side, 1), mode="bilinear", align_corners=False)
    return after[0, :, :, 0].t().to(torch.bfloat16)
