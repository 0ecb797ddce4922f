"""Optical flow and scene flow: how far off the end of a motion vector is."""

from __future__ import annotations

import torch
from torch import Tensor

from streammtl.metrics.registry import MetricKind, check_shapes, counted, register_metric


class EndpointError:
    """Mean over all valid pixels of the set of |p - g|: pixels for optical flow, metres for scene flow.

    With `fit_scale` each image and channel is first multiplied by its best non-negative factor (least squares, no
    shift): the protocol of StableMTL, whose flows are relative. The two are not comparable.
    """

    def __init__(self, fit_scale: bool = False) -> None:
        self.fit_scale = fit_scale
        self._total = 0.0
        self._pixels = 0

    def update(self, prediction: Tensor, target: Tensor, valid: Tensor) -> None:
        check_shapes(prediction, target, valid)
        p = torch.where(valid, prediction, 0).double()
        g = torch.where(valid, target, 0).double()
        if self.fit_scale:
            scale = (p * g).sum((2, 3), keepdim=True) / p.square().sum((2, 3), keepdim=True).clamp(min=1e-12)
            p = p * scale.clamp(min=0)
        self._total += (p - g).norm(dim=1).sum().item()
        self._pixels += int(valid.sum())

    def result(self) -> dict[str, float]:
        return {"epe": self._total / counted(self._pixels)}


register_metric("epe_2d", MetricKind(lambda spec: EndpointError(), headline="epe", lower_is_better=True))
register_metric("epe_3d", MetricKind(lambda spec: EndpointError(), headline="epe", lower_is_better=True))
