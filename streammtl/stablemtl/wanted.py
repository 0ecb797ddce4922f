"""Which tasks of which samples a network is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from streammtl.views import ViewBatch


@dataclass(frozen=True)
class Wanted:
    """P pairs of a sample and a task; all of them go through a network as one batch."""

    samples: Tensor  # int64 [P]
    tasks: tuple[str, ...]  # P names

    def rows(self, task: str) -> Tensor:
        """int64 [R]: which pairs are about that task."""
        found = [i for i, own in enumerate(self.tasks) if own == task]
        return torch.tensor(found, dtype=torch.int64, device=self.samples.device)


def every_task(tasks: Sequence[str], samples: int, device: torch.device) -> Wanted:
    """All tasks of all samples, task by task."""
    order = torch.arange(samples, device=device).repeat(len(tasks))
    return Wanted(order, tuple(task for task in tasks for _ in range(samples)))


def labelled_tasks(batch: ViewBatch, tasks: Sequence[str]) -> Wanted:
    """The tasks of each reference view that have some valid label there, task by task."""
    samples, named = [], []
    for task in tasks:
        if task in batch.targets:
            found = known_labels(batch, task).flatten(1).any(1).nonzero()[:, 0].tolist()
            samples += found
            named += [task] * len(found)
    return Wanted(torch.tensor(samples, dtype=torch.int64, device=batch.images.device), tuple(named))


def known_labels(batch: ViewBatch, task: str) -> Tensor:
    """bool [B,1,H,W] where the reference views have labels of a task."""
    target = batch.targets[task][:, 0]
    mask = batch.valid.get(task)
    return torch.ones_like(target[:, :1], dtype=torch.bool) if mask is None else mask[:, 0]
