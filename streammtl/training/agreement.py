"""Terms between the tasks of a network: what is said of a view must fit together."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from streammtl.geometry import resize_intrinsics
from streammtl.losses.consistency import (
    depth_normal_consistency,
    label_boundary_consistency,
    literal_depth_normal_consistency,
    literal_label_boundary_consistency,
)
from streammtl.models.cross_view_mtl import RawOutputs
from streammtl.training.settings import ObjectiveSettings
from streammtl.views import ViewBatch

FORMS = {
    "corrected": (depth_normal_consistency, label_boundary_consistency),
    "paper_literal": (literal_depth_normal_consistency, literal_label_boundary_consistency),
}


def agreement_terms(
    outputs: RawOutputs, batch: ViewBatch, settings: ObjectiveSettings
) -> dict[str, tuple[float, Tensor]]:
    """name -> (weight, term) of those that are asked for and whose two tasks the network has.

    Pixels whose depth is labelled count; all of them where the batch has no labels of depth.
    """
    raw, found = outputs.raw, {}
    of_normals, of_boundaries = FORMS[settings.consistency]
    valid = batch.valid["depth"][:, 0] if "depth" in batch.valid else torch.ones_like(raw["depth"], dtype=torch.bool)
    if settings.depth_normals > 0 and "normals" in raw:
        depth, normals, K = raw["depth"].float().exp(), raw["normals"].float(), batch.K[:, 0]
        full, size = tuple(depth.shape[-2:]), tuple(normals.shape[-2:])
        if size != full:
            depth, K = (
                F.interpolate(depth, size, mode="bilinear", align_corners=False),
                resize_intrinsics(K, full, size),
            )
        term = of_normals(depth, normals, K, _of_size(valid, size))
        found["depth_normals"] = (settings.depth_normals, term)
    if settings.label_boundaries > 0 and {"semantics", "boundaries"} <= raw.keys():
        logits = raw["semantics"].float()
        term = of_boundaries(logits, raw["boundaries"].float(), _of_size(valid, tuple(logits.shape[-2:])))
        found["label_boundaries"] = (settings.label_boundaries, term)
    return found


def _of_size(valid: Tensor, size: tuple[int, int]) -> Tensor:
    """The mask [B,1,h,w] of a smaller map: valid where all that it covers is."""
    return valid if tuple(valid.shape[-2:]) == size else F.adaptive_avg_pool2d(valid.float(), size) > 1 - 1e-3
