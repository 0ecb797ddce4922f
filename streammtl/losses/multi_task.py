"""The training loss over tasks and views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from streammtl.errors import ConfigError, ShapeError
from streammtl.losses.registry import task_loss
from streammtl.tasks.activations import activate
from streammtl.tasks.registry import task_spec
from streammtl.tasks.spec import TaskSpec
from streammtl.views import ViewBatch


@dataclass(frozen=True)
class MultiTaskLoss:
    """`total` is the weighted sum, None where the batch has no valid label of any predicted task: skip that step.

    `tasks` holds the unweighted means of the tasks that had labels.
    """

    total: Tensor | None
    tasks: dict[str, Tensor]


def multi_task_loss(
    raw: Mapping[str, Tensor],  # task -> raw head outputs [B,C,H,W] of the reference, or [B,V,C,H,W]
    batch: ViewBatch,
    weights: Mapping[str, float] | None = None,  # task -> weight instead of the registered one
    losses: Mapping[str, str] | None = None,  # task -> name of a loss instead of the registered one
) -> MultiTaskLoss:
    """Mean per task over the valid pixels of all views of the batch, then the weighted sum over tasks.

    A task without valid labels has no term, so its head gets no gradient (None, not zero). Views masked out by
    `view_mask` have no labels. Targets without a mask in `batch.valid` are valid everywhere.

    Raises: ConfigError for a weight of an unknown task, for a task without loss or an unknown loss; ShapeError for
    labels that do not fit.
    Source: cross-view MTL (arXiv 2511.20646), Eq. 3. Departure: 1/(N V) would weigh a pixel by how many labels the
    other views happen to have; here each task is one mean over its valid pixels.
    """
    overrides = dict(weights or {})
    if unknown := [name for name in overrides if name not in raw]:
        raise ConfigError(f"loss weights name {', '.join(unknown)}; the model predicts {', '.join(raw)}.")
    named = {name: (losses or {}).get(name, task_spec(name).loss) for name in raw}
    means = {name: mean for name in raw if (mean := _task_mean(name, named[name], raw[name], batch)) is not None}
    if not means:
        return MultiTaskLoss(None, {})
    terms = [overrides.get(name, task_spec(name).weight) * mean for name, mean in means.items()]
    return MultiTaskLoss(torch.stack(terms).sum(), means)


def _task_mean(name: str, loss_name: str | None, raw: Tensor, batch: ViewBatch) -> Tensor | None:
    if name not in batch.targets:
        return None
    spec = task_spec(name)
    if loss_name is None:
        raise ConfigError(f"task {name!r} has labels but no loss; name one in its definition.")
    prediction, target, valid = _folded(spec, raw, batch)
    if not valid.any():
        return None
    loss = task_loss(loss_name)
    return loss.function(prediction if loss.takes_logits else activate(prediction, spec.activation), target, valid)


def _folded(spec: TaskSpec, raw: Tensor, batch: ViewBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Raw outputs, labels and masks with views folded into the batch: [N,C,H,W], [N,Ct,H,W], bool [N,1,H,W]."""
    raw = raw if raw.ndim == 5 else raw[:, None]
    views = raw.shape[1]
    target = batch.targets[spec.name][:, :views]
    expected = (*raw.shape[:2], spec.label_channels, *raw.shape[-2:])
    if tuple(target.shape) != expected:
        raise ShapeError(f"labels of {spec.name!r} have shape {tuple(target.shape)}; these outputs need {expected}.")
    valid = batch.view_mask[:, :views, None, None, None].expand(*raw.shape[:2], 1, *raw.shape[-2:])
    if spec.name in batch.valid:
        valid = valid & batch.valid[spec.name][:, :views]
    return raw.flatten(0, 1).float(), target.flatten(0, 1), valid.flatten(0, 1)
