"""Relative predictions fitted to the truth, as StableMTL is judged (C8: its released evaluation)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from streammtl.stablemtl.wanted import known_labels
from streammtl.tasks.registry import task_spec
from streammtl.tasks.spec import FusionRule
from streammtl.views import ViewBatch

LEAST_DEPTH = 1e-3


def fitted_to_truth(values: Mapping[str, Tensor], batch: ViewBatch) -> dict[str, Tensor]:
    """Depth with the least-squares scale and shift of each image, motion with a non-negative factor per image and
    channel; the rest as it is (albedo and shading are fitted by their metric)."""
    fitted = dict(values)
    for task in values.keys() & batch.targets.keys():
        truth, known = batch.targets[task][:, 0], known_labels(batch, task)
        if task_spec(task).fusion is FusionRule.DEPTH:
            fitted[task] = scaled_and_shifted(values[task], truth, known)
        elif task_spec(task).frames > 1:
            fitted[task] = scaled(values[task], truth, known)
    return fitted


def scaled_and_shifted(values: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """a v + b [B,1,H,W], each image with the a and b that are best where the truth is known; positive."""
    v, t, m = (x.double() for x in (values, truth, known))
    count = m.sum((1, 2, 3), keepdim=True).clamp(min=1)
    mean_v, mean_t = ((x * m).sum((1, 2, 3), keepdim=True) / count for x in (v, torch.where(known, t, 0)))
    off = (v - mean_v) * m
    slope = (off * torch.where(known, t - mean_t, 0)).sum((1, 2, 3), keepdim=True)
    slope = slope / off.square().sum((1, 2, 3), keepdim=True).clamp(min=1e-12)
    return (mean_t + slope * (v - mean_v)).clamp(min=LEAST_DEPTH).to(values.dtype)


def scaled(values: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """a v [B,C,H,W], each image and channel with the a >= 0 that is best where the truth is known."""
    v, t = torch.where(known, values, 0).double(), torch.where(known, truth, 0).double()
    factor = (v * t).sum((2, 3), keepdim=True) / v.square().sum((2, 3), keepdim=True).clamp(min=1e-12)
    return values * factor.clamp(min=0).to(values.dtype)
