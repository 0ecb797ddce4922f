"""Batches of one task at a time, from the data that have labels of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from streammtl.data.footage import FootageSource
from streammtl.data.sampler import ClipSampler, SamplingSettings
from streammtl.data.sets.mixture import Mixture
from streammtl.data.sets.registry import open_source
from streammtl.data.sets.settings import DataSource
from streammtl.data.stacking import stack_samples
from streammtl.errors import ConfigError
from streammtl.views import ViewBatch

MOST_SAMPLES = 4096  # room in the numbers of samples


class TaskTurns:
    """Batch number -> ViewBatch with labels of one task: that of the batch's group, the tasks taking turns; or `mixed`,
    of each sample its own. Only data sets that have labels of a task are drawn for it, by their shares.

    With groups that are optimiser steps, gradients of tasks never meet: StableMTL (arXiv 2506.08013), task-gradient
    isolation. Departure: tasks take turns, as in its released code; the paper draws them uniformly.
    Raises: ConfigError for a task that no data set has.
    """

    def __init__(
        self, source: DataSource, tasks: tuple[str, ...], settings: SamplingSettings, seed: int, mixed: bool
    ) -> None:
        self.tasks, self.mixed = tasks, mixed
        self.pool, by_task = _opened(source, tasks)
        self._samplers = {task: ClipSampler(by_task[task], (task,), settings, seed) for task in tasks}

    def batch(self, number: int, batch_size: int, size: tuple[int, int], group: int | None = None) -> ViewBatch:
        """As ClipSampler.batch."""
        turn = number if group is None else group
        if not self.mixed:
            task = self.tasks[turn % len(self.tasks)]
            return self._samplers[task].batch(number, batch_size, size, turn)
        samples = []
        for i in range(batch_size):
            task = self.tasks[(number * batch_size + i) % len(self.tasks)]
            samples.append(self._samplers[task].batch(number * MOST_SAMPLES + i, 1, size, turn))
        if any(sample.next_images is not None for sample in samples):
            samples = [s if s.next_images is not None else replace(s, next_images=s.images) for s in samples]
        return stack_samples(samples)


def _opened(source: DataSource, tasks: Sequence[str]) -> tuple[FootageSource, dict[str, FootageSource]]:
    """All of the data, and by task those that have labels of it."""
    if isinstance(source, Path):
        whole = open_source(source)
        return whole, dict.fromkeys(tasks, whole)
    opened = [open_source((chosen,)) for chosen in source]
    by_task = {}
    for task in tasks:
        having = [(place, s.share) for place, s in zip(opened, source, strict=True) if _has(place, s.tasks, task)]
        if not having:
            raise ConfigError(f"no data set has labels of {task}; add one whose `tasks` name it, or leave it out.")
        places, shares = zip(*having, strict=True)
        by_task[task] = Mixture(places, shares)
    return Mixture(opened, [chosen.share for chosen in source]), by_task


def _has(place: FootageSource, chosen: Sequence[str] | None, task: str) -> bool:
    """Clips have what they were rendered with, which is read from them one by one; a data set says what it has."""
    return task in (getattr(place, "tasks", (task,)) if chosen is None else chosen)
