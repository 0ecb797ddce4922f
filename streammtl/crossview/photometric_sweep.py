"""Depth from motion without learning: patches compared over planes of depth."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from streammtl.crossview.consistency import source_agreement
from streammtl.crossview.hypotheses import depth_hypotheses
from streammtl.crossview.patch_matching import PatchMatches, match_patches
from streammtl.crossview.patches import patch_features, to_grey
from streammtl.crossview.plane_choice import PlaneChoice, choose_plane
from streammtl.crossview.semi_global import smooth_semi_global
from streammtl.crossview.upsampling import upsample_along_edges
from streammtl.crossview.warp import SweepGeometry, sweep_geometry
from streammtl.views import ViewBatch

NUM_PLANES = 64
STRIDE = 2  # of the matching grid; finer costs four times as much and matches noise

# Logistic regression of "depth is within 5 % of the sensor's" on confidence_features(), from handheld indoor RGB-D.
CONFIDENCE_WEIGHTS = (-0.8, -0.4, 0.2, 0.3)
CONFIDENCE_BIAS = -2.85
FULL_EVIDENCE = 0.3  # 1 - entropy over the planes below which confidence falls to 0


def photometric_sweep(batch: ViewBatch, num_planes: int = NUM_PLANES) -> tuple[Tensor, Tensor]:
    """Depth and confidence [B,1,H,W] of view 0, between the batch's near and far, in the unit of its poses.

    Normalised patch correlation over inverse-depth planes, semi-global smoothing, consistency, edge-aware upsampling.
    Confidence estimates the probability that depth is within 5 % of the truth; it is 0 where no neighbour sees the
    point, and everywhere without neighbours. H and W are multiples of STRIDE.
    Raises: DepthRangeError.
    """
    hypotheses = depth_hypotheses(batch.near_m, batch.far_m, num_planes, nearest=0.0)
    geometry = sweep_geometry(batch, tuple(side // STRIDE for side in batch.images.shape[-2:]))
    samples = [  # one by one: samples differ in how many neighbours they have
        sweep_sample(batch.images[sample, batch.view_mask[sample]], geometry.single(sample), planes)
        for sample, planes in enumerate(hypotheses)
    ]
    depth, confidence = (torch.stack(maps)[:, None] for maps in zip(*samples, strict=True))
    return depth, confidence


def sweep_sample(images: Tensor, geometry: SweepGeometry, hypotheses: Tensor) -> tuple[Tensor, Tensor]:
    """Depth and confidence [H,W] of the first of the images [1+S,3,H,W]; hypotheses [L] even in inverse depth."""
    if geometry.num_sources == 0:
        middle = 2.0 / (1.0 / hypotheses[0] + 1.0 / hypotheses[-1])
        return middle.expand(images.shape[-2:]).clone(), torch.zeros_like(images[0, 0])
    grey = to_grey(images)
    small = F.avg_pool2d(grey, STRIDE)
    matches = match_patches(patch_features(small), geometry, hypotheses)
    smooth = smooth_semi_global(matches.cost, small[0, 0])
    choice = choose_plane(smooth, matches.cost, hypotheses)
    confidence = match_confidence(choice, matches, geometry)
    inverse_depth, confidence = upsample_along_edges(choice.inverse_depth, confidence, small[0, 0], grey[0, 0])
    return inverse_depth.reciprocal().clamp(hypotheses[0], hypotheses[-1]), confidence


def match_confidence(choice: PlaneChoice, matches: PatchMatches, geometry: SweepGeometry) -> Tensor:
    """Estimated probability [h,w] that the chosen depth is within 5 % of the truth."""
    features = confidence_features(choice, matches, geometry)
    logit = (
        sum(weight * feature for weight, feature in zip(CONFIDENCE_WEIGHTS, features, strict=True)) + CONFIDENCE_BIAS
    )
    seen = matches.visible.gather(1, choice.plane.expand(len(matches.visible), 1, -1, -1)).any(0)[0]
    evidence = ((1.0 - choice.entropy) / FULL_EVIDENCE).clamp(max=1.0)  # a flat wall is smooth for want of any match
    return torch.where(seen, torch.sigmoid(logit) * evidence, 0.0)


def confidence_features(choice: PlaneChoice, matches: PatchMatches, geometry: SweepGeometry) -> tuple[Tensor, ...]:
    """What separates right from wrong matches, each [h,w]: how far apart the likely planes are, how much depth varies
    nearby, the correlation in the worst view that sees the point, and the share of views that agree."""
    at = choice.plane.expand(len(matches.scores), 1, -1, -1)
    per_view = torch.where(matches.visible.gather(1, at), matches.scores.gather(1, at), 1.0)
    inverse = choice.inverse_depth[None, None]
    highest, lowest = F.max_pool2d(inverse, 5, 1, 2), -F.max_pool2d(-inverse, 5, 1, 2)
    variation = ((highest - lowest) / inverse)[0, 0]
    agreement = source_agreement(choice.inverse_depth, choice.cost, geometry)
    return (
        torch.log(choice.relative_spread + 0.003),
        torch.log(variation + 0.01),
        per_view.amin(0)[0],
        agreement,
    )
