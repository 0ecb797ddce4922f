"""Samples with different labels become one batch."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from streammtl.tasks.registry import task_spec
from streammtl.views import ViewBatch

TENSORS = ("images", "K", "T_world_cam", "view_mask", "near_m", "far_m")


def stack_samples(samples: list[ViewBatch]) -> ViewBatch:
    """The samples one after the other; a task that some of them lack is not valid there.

    All have as many views, the same size, and labels of the same number of views.
    """
    tasks = dict.fromkeys(task for sample in samples for task in sample.targets)
    return replace(
        samples[0],
        **{name: torch.cat([getattr(sample, name) for sample in samples]) for name in TENSORS},
        targets={task: torch.cat([_target(task, sample) for sample in samples]) for task in tasks},
        valid={task: torch.cat([_valid(task, sample) for sample in samples]) for task in tasks},
    )


def _target(task: str, sample: ViewBatch) -> Tensor:
    if task in sample.targets:
        return sample.targets[task]
    spec = task_spec(task)
    views = next(iter(sample.targets.values())).shape[1] if sample.targets else 1
    dtype = torch.int64 if spec.label_channels != spec.channels else torch.float32
    return torch.zeros(sample.images.shape[0], views, spec.label_channels, *sample.images.shape[-2:], dtype=dtype)


def _valid(task: str, sample: ViewBatch) -> Tensor:
    if task not in sample.targets:
        return torch.zeros_like(_target(task, sample)[:, :, :1], dtype=torch.bool)
    if task not in sample.valid:
        return torch.ones_like(sample.targets[task][:, :, :1], dtype=torch.bool)
    return sample.valid[task]
