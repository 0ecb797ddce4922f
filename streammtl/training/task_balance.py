"""Weights of tasks that follow how fast their losses fall."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from streammtl.tasks.registry import task_spec
from streammtl.training.settings import ObjectiveSettings


class TaskBalance:
    """Dynamic weight averaging: w_i = N exp(r_i / T) / sum_n exp(r_n / T), r_i the ratio of a task's last two means.

    The task whose loss falls slowest gets most. Means are those of epochs of `epoch_steps` steps, since the ratio of
    two mini-batches is noise; in the first two epochs all weights are 1. A task without labels in an epoch keeps its
    ratio.
    Without epochs (0 steps) all weights stay 1.
    Source: M2H (arXiv 2510.17363), Eq. 18, after Liu et al. (CVPR 2019). Departure: the weights multiply the fixed ones
    of the tasks, because a ratio says nothing of how large a loss is.
    """

    def __init__(self, epoch_steps: int, temperature: float = 2.0) -> None:
        self._epoch_steps, self._temperature = epoch_steps, temperature
        self._steps = 0
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._means: dict[str, float] = {}
        self._ratios: dict[str, float] = {}
        self.weights: dict[str, float] = {}  # by task; a task that is not in it has weight 1

    def count(self, passes: Sequence[Mapping[str, Tensor]]) -> None:
        """The tasks' losses of one step, unweighted scalars, pass by pass."""
        if not self._epoch_steps:
            return
        for task, loss in (item for losses in passes for item in losses.items()):
            self._sums[task] = self._sums.get(task, 0.0) + loss.detach().double()
            self._counts[task] = self._counts.get(task, 0) + 1
        self._steps += 1
        if self._steps % self._epoch_steps == 0:
            self._end_epoch()

    def applied(self, settings: ObjectiveSettings) -> ObjectiveSettings:
        """The settings with the weights of the tasks multiplied by the present ones."""
        if not self.weights:
            return settings
        fixed = {task: settings.tasks.get(task, task_spec(task).weight) for task in self.weights if task != "depth"}
        of_depth = self.weights.get("depth", 1.0)
        changed = {
            "depth": settings.depth * of_depth,
            "depth_gradient": settings.depth_gradient * of_depth,
            "tasks": dict(settings.tasks) | {task: weight * self.weights[task] for task, weight in fixed.items()},
        }
        return settings.model_copy(update=changed)

    def state(self) -> dict[str, Any]:
        """Plain values that `load` goes on from."""
        sums = {task: total.item() for task, total in self._sums.items()}
        names = ("_steps", "_counts", "_means", "_ratios", "weights")
        return {name: getattr(self, name) for name in names} | {"_sums": sums}

    def load(self, state: Mapping[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value if name == "_steps" else dict(value))
        self._sums = {task: torch.tensor(total, dtype=torch.float64) for task, total in self._sums.items()}

    def _end_epoch(self) -> None:
        means = {task: total.item() / self._counts[task] for task, total in self._sums.items()}
        self._ratios |= {task: mean / self._means[task] for task, mean in means.items() if self._means.get(task)}
        self._means |= means
        self._sums, self._counts = {}, {}
        if self._ratios:
            ratios = {task: self._ratios.get(task, 1.0) for task in self._means}
            shares = {task: math.exp(ratio / self._temperature) for task, ratio in ratios.items()}
            total = sum(shares.values())
            self.weights = {task: len(shares) * share / total for task, share in shares.items()}
