"""The metrics of all tasks of a model at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from streammtl.metrics.delta import delta_m
from streammtl.metrics.registry import build_metric, metric_kind
from streammtl.tasks.registry import task_spec
from streammtl.views import ViewBatch


class MultiTaskMetrics:
    """Judges the reference views of batches, task by task, each where it has labels.

    Raises: ConfigError for a task without a known metric.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        self._metrics = {name: build_metric(task_spec(name)) for name in tasks}
        self._labelled: set[str] = set()

    def update(self, values: Mapping[str, Tensor], batch: ViewBatch) -> None:
        """values {task: [B,C,H,W]} after activation, as in TaskOutputs; labels are those of view 0 of the batch."""
        for name, metric in self._metrics.items():
            if name not in values or name not in batch.targets:
                continue
            target = batch.targets[name][:, 0]
            mask = batch.valid.get(name)
            valid = torch.ones_like(target[:, :1], dtype=torch.bool) if mask is None else mask[:, 0]
            if valid.any():
                metric.update(values[name].detach(), target, valid)
                self._labelled.add(name)

    def result(self) -> dict[str, dict[str, float]]:
        """{task: {figure: number}} of the tasks that had labels."""
        return {name: metric.result() for name, metric in self._metrics.items() if name in self._labelled}


def headlines(result: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """One figure per task, {task: number}, of what `MultiTaskMetrics.result` gives."""
    return {name: figures[metric_kind(task_spec(name)).headline] for name, figures in result.items()}


def delta_of_tasks(model: Mapping[str, float], baseline: Mapping[str, float]) -> float:
    """delta_m in percent of two {task: headline figure}; raises DataError where they name different tasks."""
    lower = [name for name in model if metric_kind(task_spec(name)).lower_is_better]
    return delta_m(model, baseline, lower)
