"""How good weights are on clips that they were not trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from streammtl.data.sampler import ClipSampler
from streammtl.data.sets.registry import open_source
from streammtl.errors import DataError
from streammtl.metrics import MultiTaskMetrics
from streammtl.metrics.depth import DepthErrors
from streammtl.metrics.registry import metric_kind
from streammtl.models.predictor import batch_to
from streammtl.tasks.registry import task_spec
from streammtl.training.learner import Learner
from streammtl.training.settings import TrainingSettings
from streammtl.views import ViewBatch

SEED = 20_000_003  # apart from any training's
JUDGED_ELSEWHERE = ("boundaries",)  # needs SciPy: see mapping.evaluation.boundaries


class Validation:
    """The same samples each time: every batch with two sources, judged with them and, for depth, without."""

    def __init__(self, settings: TrainingSettings) -> None:
        data = settings.data
        views = data.sampling.views.model_copy(update={"source_shares": (0.0, 0.0, 1.0), "missing_share": 0.0})
        still = data.sampling.model_copy(
            update={"views": views, "appearance": None, "augmentation": None, "flip_share": 0.0}
        )
        self._sampler = ClipSampler(open_source(data.validation), settings.tasks, still, SEED)
        self._batches = math.ceil(data.validation_samples / settings.stages[-1].batch_size)
        self._stage = settings.stages[-1]
        self._tasks = tuple(task for task in settings.tasks if task not in JUDGED_ELSEWHERE)

    @torch.no_grad()
    def judge(self, learner: Learner) -> dict[str, float]:
        """{task.figure: number} of the averaged weights; depth_alone.* are of references without their sources."""
        with learner.averaged() as network:
            return self._judge(network, learner)

    def _judge(self, network: nn.Module, learner: Learner) -> dict[str, float]:
        metrics, alone, seen = MultiTaskMetrics(self._tasks), DepthErrors(), False
        for number in range(self._batches):
            batch = batch_to(self._sampler.batch(number, self._stage.batch_size, self._stage.size), learner.device)
            metrics.update(learner.values(network, batch, self._tasks), batch)
            if learner.trainee.looks_at_sources and "depth" in batch.valid and batch.valid["depth"].any():
                seen = True
                lonely = learner.values(network, first_view(batch), ("depth",))["depth"]
                alone.update(lonely, batch.targets["depth"][:, 0], batch.valid["depth"][:, 0])
        figures = {f"{task}.{name}": value for task, found in metrics.result().items() for name, value in found.items()}
        return figures | ({f"depth_alone.{name}": value for name, value in alone.result().items()} if seen else {})


def chosen_by(figures: Mapping[str, float], tasks: Sequence[str]) -> float:
    """The figure that weights are chosen by, the lower the better: the error of depth, or where there are no labels of
    depth the headline of the first task that was judged.

    Raises: DataError where none was.
    """
    if "depth.abs_rel" in figures:
        return figures["depth.abs_rel"]
    for task in tasks:
        kind = metric_kind(task_spec(task)) if task not in JUDGED_ELSEWHERE else None
        if kind is not None and (name := f"{task}.{kind.headline}") in figures:
            return figures[name] if kind.lower_is_better else -figures[name]
    raise DataError(f"the validation data have no labels of {', '.join(tasks)}; give data.validation that has some.")


def first_view(batch: ViewBatch) -> ViewBatch:
    """The references without their sources."""
    names = ("images", "K", "T_world_cam", "view_mask")
    return replace(batch, **{name: getattr(batch, name)[:, :1] for name in names})
