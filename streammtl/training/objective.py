"""The loss of a step: all terms, weighted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from streammtl.crossview.module import CrossView
from streammtl.losses.masking import valid_mean
from streammtl.losses.multi_task import multi_task_loss
from streammtl.losses.registry import task_loss
from streammtl.models.cross_view_mtl import RawOutputs
from streammtl.training.agreement import agreement_terms
from streammtl.training.depth_loss import gradient_loss, log_error, spread_loss
from streammtl.training.matching_loss import coarse_labels, matching_loss
from streammtl.training.settings import ObjectiveSettings
from streammtl.views import ViewBatch


@dataclass(frozen=True)
class Objective:
    """`total` is None where the batch has no label at all; `terms` are unweighted, detached, by name."""

    total: Tensor | None
    terms: dict[str, Tensor]


def training_objective(outputs: RawOutputs, batch: ViewBatch, settings: ObjectiveSettings, turn: int = 0) -> Objective:
    """Depth by its logarithm with shape, spread and matching terms; the other tasks by their own losses.

    Terms between tasks come along where they are asked for. Labels are those of view 0. What a batch has no labels of
    has no term, and its head no gradient. `turn` counts batches: which labels thinned ones are taken changes with it.
    """
    weighted: list[Tensor] = []
    terms: dict[str, Tensor] = {}
    if "depth" in batch.targets:
        depth_terms = _depth_terms(outputs, batch, settings)
        weighted += [weight * term for weight, term in depth_terms.values() if weight > 0]
        terms |= {name: term.detach() for name, (_, term) in depth_terms.items()}
    others = {task: raw for task, raw in outputs.raw.items() if task != "depth" and task in batch.targets}
    if others:
        weights = {task: weight for task, weight in settings.tasks.items() if task in others}
        losses = {task: name for task, name in settings.losses.items() if task in others}
        loss = multi_task_loss(others, thinned_labels(batch, others, turn), weights, losses)
        weighted += [] if loss.total is None else [loss.total]
        terms |= {task: mean.detach() for task, mean in loss.tasks.items()}
    if weighted:
        agreement = agreement_terms(outputs, batch, settings)
        weighted += [weight * term for weight, term in agreement.values()]
        terms |= {name: term.detach() for name, (_, term) in agreement.items()}
    return Objective(torch.stack(weighted).sum() if weighted else None, terms)


def thinned_labels(batch: ViewBatch, raw: Mapping[str, Tensor], turn: int) -> ViewBatch:
    """The batch with every n-th label of the tasks whose outputs are n times smaller than the images.

    Each of the n x n pixels of a cell has its turn, so that none is preferred.
    """
    targets, valid = dict(batch.targets), dict(batch.valid)
    for task, output in raw.items():
        stride = batch.images.shape[-1] // output.shape[-1]
        if stride > 1:
            row, column = turn % stride, turn // stride % stride
            for labels in (targets, valid):
                if task in labels:
                    labels[task] = labels[task][..., row::stride, column::stride]
    return replace(batch, targets=targets, valid=valid)


def _depth_terms(outputs: RawOutputs, batch: ViewBatch, settings: ObjectiveSettings) -> dict[str, tuple[float, Tensor]]:
    """name -> (weight, term); none where no pixel is labelled."""
    depth = batch.targets["depth"][:, 0]
    valid = batch.valid["depth"][:, 0] if "depth" in batch.valid else torch.ones_like(depth, dtype=torch.bool)
    if not valid.any():
        return {}
    log_depth = outputs.raw["depth"].float()
    error = log_error(log_depth, depth, valid)
    if "depth" in settings.losses:
        chosen = task_loss(settings.losses["depth"]).function
        found = {"depth": (settings.depth, chosen(log_depth.exp(), depth, valid))}
    else:
        found = {
            "depth": (settings.depth, valid_mean(error.abs(), valid)),
            "depth_gradient": (settings.depth_gradient, gradient_loss(error, valid)),
        }
    found["confidence"] = (settings.confidence, spread_loss(error, outputs.log_depth_scale.float(), valid))
    if outputs.prior_log_depth is not None:
        alone = log_error(outputs.prior_log_depth.float(), depth, valid)
        found["prior"] = (settings.prior, valid_mean(alone.abs(), valid))
    matching = _matching(outputs.cross_view, batch)
    return found if matching is None else found | {"matching": (settings.matching, matching)}


def _matching(cross: CrossView | None, batch: ViewBatch) -> Tensor | None:
    """Of all views where the outputs are of all and all are labelled, of the references otherwise."""
    if cross is None or not cross.volume.shape[1] or not batch.view_mask[:, 1:].any():
        return None
    samples, views = batch.view_mask.shape
    depth = batch.targets["depth"]
    there = batch.view_mask[:, : depth.shape[1], None, None, None]
    valid = batch.valid["depth"] & there if "depth" in batch.valid else there.expand_as(depth)
    if cross.volume.shape[0] > samples and depth.shape[1] < views:
        cross = cross.of_references(views)
    if cross.volume.shape[0] == samples:
        depth, valid = depth[:, :1], valid[:, :1]
    labels = coarse_labels(depth.flatten(0, 1), valid.flatten(0, 1), tuple(cross.volume.shape[-2:]))
    return matching_loss(cross.volume, cross.hypotheses, *labels, cross.valid)
