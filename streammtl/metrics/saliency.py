"""Saliency: the best F-measure over thresholds."""

from __future__ import annotations

import torch
from torch import Tensor

from streammtl.metrics.registry import MetricKind, check_shapes, counted, register_metric

THRESHOLDS = torch.arange(1, 20, dtype=torch.float64) / 20  # 0.05 .. 0.95
BETA_SQUARED = 0.3


class MaxF:
    """Maximum over 19 thresholds of (1 + b2) P R / (b2 P + R), b2 = 0.3, from counts pooled over the set. Percent.

    Predictions are probabilities: nothing is squashed a second time. Labels of at least 0.5 are positive.
    """

    def __init__(self) -> None:
        self._hits = torch.zeros(len(THRESHOLDS), dtype=torch.int64)
        self._marked = torch.zeros(len(THRESHOLDS), dtype=torch.int64)
        self._positives = 0
        self._pixels = 0

    def update(self, prediction: Tensor, target: Tensor, valid: Tensor) -> None:
        check_shapes(prediction, target, valid)
        p, positive = prediction[valid].double(), target[valid] >= 0.5
        thresholds = THRESHOLDS.to(p.device)
        self._hits += _above(p[positive], thresholds)
        self._marked += _above(p, thresholds)
        self._positives += int(positive.sum())
        self._pixels += p.numel()

    def result(self) -> dict[str, float]:
        counted(self._pixels)
        hits = self._hits.double()
        precision = hits / self._marked.clamp(min=1)
        recall = hits / max(self._positives, 1)
        f = (1 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall).clamp(min=1e-12)
        best = int(f.argmax())
        return {"max_f": 100 * f[best].item(), "threshold": THRESHOLDS[best].item()}


def _above(values: Tensor, thresholds: Tensor) -> Tensor:
    """How many values exceed each threshold, i64 [T]; sorting once beats comparing T times."""
    ordered = values.sort().values
    return (values.numel() - torch.searchsorted(ordered, thresholds, right=True)).cpu()


register_metric("max_f", MetricKind(lambda spec: MaxF(), headline="max_f", lower_is_better=False))
