"""Angles between normals."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from streammtl.metrics.registry import MetricKind, check_shapes, counted, register_metric

THRESHOLDS_DEG = (11.25, 22.5, 30.0)
BINS_PER_DEG = 1000


class NormalErrors:
    """Mean and median angle (degrees), and the percentage below 11.25, 22.5 and 30 degrees, pooled over the set.

    Angles are 2 atan2(|p - g|, |p + g|) of unit vectors, exact near 0 and 180 degrees where arccos is not. Labels of
    zero length do not count. The median comes from a histogram: within 0.001 degree, in memory that does not grow.
    """

    def __init__(self) -> None:
        self._total_deg = 0.0
        self._below = torch.zeros(len(THRESHOLDS_DEG), dtype=torch.int64)
        self._histogram = torch.zeros(180 * BINS_PER_DEG, dtype=torch.int64)

    def update(self, prediction: Tensor, target: Tensor, valid: Tensor) -> None:
        check_shapes(prediction, target, valid)
        keep = (valid & (target.norm(dim=1, keepdim=True) > 0))[:, 0]
        p = F.normalize(prediction.permute(0, 2, 3, 1)[keep].double(), dim=-1)
        g = F.normalize(target.permute(0, 2, 3, 1)[keep].double(), dim=-1)
        angles = 2 * torch.atan2((p - g).norm(dim=-1), (p + g).norm(dim=-1)) * (180 / math.pi)
        self._total_deg += angles.sum().item()
        self._below += torch.stack([(angles < t).sum() for t in THRESHOLDS_DEG]).cpu()
        bins = (angles * BINS_PER_DEG).long().clamp(max=self._histogram.numel() - 1)
        self._histogram += torch.bincount(bins, minlength=self._histogram.numel()).cpu()

    def result(self) -> dict[str, float]:
        pixels = counted(self._histogram.sum().item())
        middle = int((self._histogram.cumsum(0) < pixels / 2).sum())
        figures = {"mean_deg": self._total_deg / pixels, "median_deg": (middle + 0.5) / BINS_PER_DEG}
        shares = zip(THRESHOLDS_DEG, self._below.tolist(), strict=True)
        return figures | {f"below_{t:g}": 100 * n / pixels for t, n in shares}


register_metric("normals", MetricKind(lambda spec: NormalErrors(), headline="mean_deg", lower_is_better=True))
