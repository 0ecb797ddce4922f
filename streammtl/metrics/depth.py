"""Depth errors pooled over all pixels of a set."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from streammtl.metrics.registry import MetricKind, check_shapes, counted, register_metric

SMALLEST_M = 1e-3  # a prediction of 0 has no logarithm


class DepthErrors:
    """RMSE (m), AbsRel, RMSE of log depth, and the shares delta1..3 with max(p/g, g/p) < 1.25^k.

    Pooled: sqrt of the sum over all pixels of the set, not a mean of per-image RMSE. Mask: valid and 0 < g < `max_m`.
    Predictions are clamped to >= 0 and nothing else: no border crop, no clamp at 10 m, no alignment. Figures of the
    monocular-depth protocol (Eigen crop, 1 mm to 10 m) are not comparable. Source: InvPT and SAK.
    """

    def __init__(self, max_m: float = 80.0) -> None:
        self.max_m = max_m
        self._sums = torch.zeros(6, dtype=torch.float64)  # squared, relative, squared log, three deltas
        self._pixels = 0

    @property
    def mask(self) -> str:
        """What was counted, for tables."""
        return f"0 < depth < {self.max_m:g} m, no crop, no alignment"

    def update(self, prediction: Tensor, target: Tensor, valid: Tensor) -> None:
        check_shapes(prediction, target, valid)
        keep = valid & (target > 0) & (target < self.max_m)
        p, g = prediction[keep].double().clamp(min=0), target[keep].double()
        positive = p.clamp(min=SMALLEST_M)
        ratio = torch.maximum(positive / g, g / positive)
        errors = [(p - g).square(), (p - g).abs() / g, (positive / g).log().square()]
        shares = [(ratio < 1.25**k).double() for k in (1, 2, 3)]
        self._sums += torch.stack([term.sum() for term in (*errors, *shares)]).cpu()
        self._pixels += p.numel()

    def result(self) -> dict[str, float]:
        squared, relative, squared_log, *shares = (self._sums / counted(self._pixels)).tolist()
        figures = {"rmse": math.sqrt(squared), "abs_rel": relative, "log_rmse": math.sqrt(squared_log)}
        return figures | {f"delta{k}": share for k, share in enumerate(shares, 1)}


register_metric("depth", MetricKind(lambda spec: DepthErrors(), headline="rmse", lower_is_better=True))
