"""Averages of what happened since the last report, with the rate and the time left."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from streammtl.training.settings import TrainingSettings


class Progress:
    """Collects terms of steps without waiting for the device; a report reads them."""

    def __init__(self, settings: TrainingSettings, step: int) -> None:
        self._settings = settings
        self._sums: dict[str, tuple[Tensor, int]] = {}
        self._since, self._step, self._samples = time.monotonic(), step, 0

    def count(self, terms: dict[str, Tensor], samples: int) -> None:
        """Takes in a step. A term's average is over the steps that have it."""
        for name, term in terms.items():
            total, number = self._sums.get(name, (torch.zeros_like(term), 0))
            self._sums[name] = total + term, number + 1
        self._samples += samples

    def report(self, step: int) -> tuple[dict[str, float], float]:
        """Averages and samples per second since the last report, and the seconds left for all steps at this rate."""
        elapsed = max(1e-9, time.monotonic() - self._since)
        values = {name: float(total) / number for name, (total, number) in self._sums.items()}
        values["samples_per_s"] = self._samples / elapsed
        left = self._pixels(step, self._settings.total_steps)
        pace = elapsed / max(1, self._pixels(self._step, step))
        self._sums, self._samples = {}, 0
        self._since, self._step = time.monotonic(), step
        return {name: float(f"{value:.5g}") for name, value in values.items()}, pace * left

    def _pixels(self, first: int, last: int) -> int:
        """Work of the steps first..last-1, which goes with pixels, stages being of different size."""
        total, begin = 0, 0
        for stage in self._settings.stages:
            end = begin + stage.steps
            steps = max(0, min(last, end) - max(first, begin))
            total += steps * stage.batch_size * stage.accumulate * stage.height * stage.width
            begin = end
        return total
