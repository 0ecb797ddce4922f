"""Samples with different labels become one batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from streammtl.views import ViewBatch

TENSORS = ("images", "K", "T_world_cam", "view_mask", "near_m", "far_m")


def stack_samples(samples: list[ViewBatch]) -> ViewBatch:
    """The samples one after the other; a task that some of them lack is not valid there.

    All have as many views and the same size; a task has labels of the same number of views in all that have it.
    """
    tasks = dict.fromkeys(task for sample in samples for task in sample.targets)
    return replace(
        samples[0],
        **{name: torch.cat([getattr(sample, name) for sample in samples]) for name in TENSORS},
        targets={task: torch.cat([labels[0] for labels in _labels(task, samples)]) for task in tasks},
        valid={task: torch.cat([labels[1] for labels in _labels(task, samples)]) for task in tasks},
        next_images=None if samples[0].next_images is None else torch.cat([s.next_images for s in samples]),
    )


def _labels(task: str, samples: list[ViewBatch]) -> Iterator[tuple[Tensor, Tensor]]:
    """Values and validity of each sample; nothing valid where the sample lacks the task."""
    example = next(sample.targets[task] for sample in samples if task in sample.targets)
    for sample in samples:
        count = sample.images.shape[0]
        target = sample.targets.get(task)
        if target is None:
            target = example.new_zeros(count, *example.shape[1:])
            yield target, torch.zeros_like(target[:, :, :1], dtype=torch.bool)
        else:
            yield target, sample.valid.get(task, torch.ones_like(target[:, :, :1], dtype=torch.bool))
