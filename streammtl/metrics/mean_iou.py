"""Semantic classes: mean intersection over union and pixel accuracy."""

from __future__ import annotations

import torch
from torch import Tensor

from streammtl.metrics.registry import MetricKind, check_shapes, counted, register_metric
from streammtl.tasks.spec import IGNORE


class MeanIou:
    """IoU per class from counts pooled over the set: tp / max(tp + fp + fn, 1e-8).

    The plain mean over all classes, so a class that occurs neither in labels nor in predictions counts 0, as in the
    multi-task literature (and unlike torchmetrics, which leaves it out). Percent.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)  # [label, prediction]

    def update(self, prediction: Tensor, target: Tensor, valid: Tensor) -> None:
        """prediction: scores or probabilities [N,C,H,W]; target: class index [N,1,H,W], 255 = unlabelled."""
        check_shapes(prediction, target, valid)
        keep = valid & (target != IGNORE)
        pairs = target[keep].long() * self.num_classes + prediction.argmax(1, keepdim=True)[keep]
        counts = torch.bincount(pairs, minlength=self.num_classes**2)
        self._confusion += counts.view_as(self._confusion).cpu()

    @property
    def iou(self) -> Tensor:
        """f64 [num_classes] in 0..1."""
        tp = self._confusion.diagonal().double()
        union = self._confusion.sum(0) + self._confusion.sum(1) - self._confusion.diagonal()
        return tp / union.double().clamp(min=1e-8)

    @property
    def miou_of_present(self) -> float:
        """Percent, mean over the classes that labels hold: what small sets can tell."""
        return 100 * self.iou[self._confusion.sum(1) > 0].mean().item()

    def result(self) -> dict[str, float]:
        total = counted(self._confusion.sum().item())
        accuracy = self._confusion.diagonal().sum().item() / total
        return {"miou": 100 * self.iou.mean().item(), "pixel_accuracy": 100 * accuracy}


register_metric("miou", MetricKind(lambda spec: MeanIou(spec.channels), headline="miou", lower_is_better=False))
