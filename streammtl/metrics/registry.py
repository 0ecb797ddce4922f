"""Metrics by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from streammtl.errors import ConfigError, DataError, ShapeError
from streammtl.tasks.spec import TaskSpec


class Metric(Protocol):
    """An accumulator over a set of images."""

    def update(self, prediction: Tensor, target: Tensor, valid: Tensor) -> None:
        """Counts images: prediction [N,C,H,W], target [N,Ct,H,W], valid bool [N,1,H,W]."""

    def result(self) -> dict[str, float]:
        """The figures so far; raises DataError where nothing valid was counted."""


@dataclass(frozen=True)
class MetricKind:
    """How a metric is made, and which of its figures stands for the task in tables and in delta_m."""

    factory: Callable[[TaskSpec], Metric]
    headline: str
    lower_is_better: bool


_METRICS: dict[str, MetricKind] = {}


def register_metric(name: str, kind: MetricKind) -> None:
    """Makes a metric available to task definitions; raises ConfigError where the name is taken."""
    if _METRICS.setdefault(name, kind) is not kind:
        raise ConfigError(f"metric {name!r} is registered already; choose another name.")


def metric_kind(spec: TaskSpec) -> MetricKind:
    """The task's metric; raises ConfigError where it has none or an unknown one."""
    if spec.metric not in _METRICS:
        raise ConfigError(
            f"metric {spec.metric!r} of task {spec.name!r} is unknown; known: {', '.join(_METRICS)}. Boundaries need "
            "`import mapping.evaluation.boundaries` first."
        )
    return _METRICS[spec.metric]


def build_metric(spec: TaskSpec) -> Metric:
    """A fresh accumulator of the task's metric; raises ConfigError where it has none or an unknown one."""
    return metric_kind(spec).factory(spec)


def check_shapes(prediction: Tensor, target: Tensor, valid: Tensor) -> None:
    """Raises ShapeError where the three do not describe the same pixels."""
    n, _, height, width = prediction.shape
    if tuple(valid.shape) != (n, 1, height, width) or (target.shape[0], *target.shape[2:]) != (n, height, width):
        raise ShapeError(
            f"prediction {tuple(prediction.shape)}, target {tuple(target.shape)} and valid {tuple(valid.shape)} do not "
            "fit; give [N,C,H,W], [N,Ct,H,W] and [N,1,H,W] of the same N, H, W."
        )


def counted(number: float) -> float:
    """That number; raises DataError where it is 0, because a mean over nothing is no figure."""
    if not number:
        raise DataError("no valid pixel was counted; a metric needs at least one labelled image.")
    return float(number)
