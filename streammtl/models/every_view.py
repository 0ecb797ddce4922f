"""Every view of a sample as its reference in turn: for losses on all views."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from streammtl.crossview.module import with_known_cameras
from streammtl.tasks.registry import task_spec
from streammtl.tasks.spec import IGNORE, TaskKind
from streammtl.views import ViewBatch


def every_view_first(batch: ViewBatch) -> ViewBatch:
    """B samples of V views as B·V samples, in each of which another view comes first; views run faster.

    A network's outputs on it are those of its forward with `every_view=True` on the batch itself, which shares the work
    that views have in common; labels and masks are what both are judged by. A view without labels, or one that is not
    there, has no valid labels; one that is not there has no neighbours either.
    Source: cross-view MTL (arXiv 2511.20646), Eq. 3: the loss sums over all views.
    """
    count = batch.view_mask.shape[1]
    known = with_known_cameras(batch)
    orders = [[view, *(other for other in range(count) if other != view)] for view in range(count)]

    def turned(x: Tensor) -> Tensor:
        return torch.stack([x[:, order] for order in orders], 1).flatten(0, 1)

    mask = turned(batch.view_mask)
    mask = mask & mask[:, :1]
    mask[:, 0] = True
    there = batch.view_mask[..., None, None, None]
    following = None if batch.next_images is None else turned(torch.where(there, batch.next_images, 0.0))
    valid = {task: turned(_valid_of_views(task, batch)) for task in batch.targets}
    return replace(
        known,
        images=turned(torch.where(there, batch.images, 0.0)),
        K=turned(known.K),
        T_world_cam=turned(known.T_world_cam),
        view_mask=mask,
        near_m=batch.near_m.repeat_interleave(count),
        far_m=batch.far_m.repeat_interleave(count),
        targets={task: turned(_targets_of_views(task, batch)) for task in batch.targets},
        valid=valid,
        next_images=following,
    )


def _targets_of_views(task: str, batch: ViewBatch) -> Tensor:
    """Labels [B,V,C,H,W] of all views, filled up where there are none."""
    fill = IGNORE if task_spec(task).kind is TaskKind.CATEGORICAL else 0
    return _filled_up(batch.targets[task], batch.view_mask.shape[1], fill)


def _valid_of_views(task: str, batch: ViewBatch) -> Tensor:
    target = batch.targets[task]
    valid = batch.valid.get(task)
    if valid is None:
        valid = torch.ones_like(target[:, :, :1], dtype=torch.bool)
    return _filled_up(valid, batch.view_mask.shape[1], False) & batch.view_mask[..., None, None, None]


def _filled_up(labels: Tensor, views: int, fill: int | bool) -> Tensor:
    missing = views - labels.shape[1]
    if missing <= 0:
        return labels
    return torch.cat((labels, torch.full_like(labels[:, :1], fill).expand(-1, missing, *labels.shape[2:])), 1)
