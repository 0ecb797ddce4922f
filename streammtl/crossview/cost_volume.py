"""Plane-sweep cost volumes: how well every reference pixel matches its neighbours at every depth hypothesis."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from streammtl.crossview.warp import SweepGeometry
from streammtl.errors import ConfigError, ShapeError

# Above this size the all-pairs correlation of one view no longer pays: on a CPU it wins at 32x40 and loses at 64x80.
CORRELATION_BUDGET_BYTES = 24_000_000
METHODS = ("auto", "correlation_first", "per_plane")


@dataclass(frozen=True)
class CostVolume:
    """Matching scores of the reference pixels. Shapes: scores [B,L,h,w], 0 where nothing is valid; views [B,L,h,w] f32,
    how many source views see that point."""

    scores: Tensor
    views: Tensor

    @property
    def valid(self) -> Tensor:
        return self.views > 0


def view_scores(
    reference: Tensor, source: Tensor, geometry: SweepGeometry, index: int, hypotheses: Tensor, method: str = "auto"
) -> tuple[Tensor, Tensor]:
    """Dot products <F_ref(p), F_src(p')> with one source view, p' being where p lands at each depth.

    Both methods give the same up to rounding, since bilinear sampling is linear: sampling the features and then taking
    products, or taking all products and then sampling those.

    Shapes: reference, source [B,C,h,w]; hypotheses [B,L] -> scores [B,L,h,w] (0 where not visible), visible bool
    [B,L,h,w].
    Raises: ShapeError, ConfigError for an unknown method.
    """
    if method not in METHODS:
        raise ConfigError(f"cost volume method {method!r} is unknown; use one of {', '.join(METHODS)}.")
    if reference.shape != source.shape or reference.shape[-2:] != (geometry.height, geometry.width):
        raise ShapeError(
            f"reference {tuple(reference.shape)} and source {tuple(source.shape)} must be equal and on the geometry's "
            f"{geometry.height}x{geometry.width} grid."
        )
    if method == "auto":
        pairs_bytes = 4 * (geometry.height * geometry.width) ** 2
        method = "correlation_first" if pairs_bytes <= CORRELATION_BUDGET_BYTES else "per_plane"
    run = _correlation_first if method == "correlation_first" else _per_plane
    return run(reference, source, geometry, index, hypotheses)


def _per_plane(
    reference: Tensor, source: Tensor, geometry: SweepGeometry, index: int, hypotheses: Tensor
) -> tuple[Tensor, Tensor]:
    batch, _, height, width = reference.shape
    scores, visible = [], []
    for plane in range(hypotheses.shape[1]):  # several planes in one call would fall out of the cache
        u, v, seen = geometry.project(hypotheses[:, plane, None], index)
        grid = _normalised(u, v, height, width).view(batch, height, width, 2)
        sampled = F.grid_sample(source, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
        scores.append((reference * sampled).sum(1))
        visible.append(seen.view(batch, height, width))
    stacked = torch.stack(visible, 1)
    return torch.where(stacked, torch.stack(scores, 1), 0.0), stacked


def _correlation_first(
    reference: Tensor, source: Tensor, geometry: SweepGeometry, index: int, hypotheses: Tensor
) -> tuple[Tensor, Tensor]:
    batch, _, height, width = reference.shape
    pixels, planes = height * width, hypotheses.shape[1]
    pairs = reference.flatten(2).transpose(1, 2) @ source.flatten(2)  # [B,hw,hw]
    u, v, seen = geometry.project(hypotheses[:, :, None], index)  # [B,L,hw]
    grid = _normalised(u, v, height, width).transpose(1, 2).reshape(batch * pixels, 1, planes, 2)
    sampled = F.grid_sample(
        pairs.view(batch * pixels, 1, height, width), grid, mode="bilinear", padding_mode="zeros", align_corners=True
    )
    scores = sampled.view(batch, pixels, planes).transpose(1, 2)
    return torch.where(seen, scores, 0.0).view(batch, planes, height, width), seen.view(batch, planes, height, width)


def _normalised(u: Tensor, v: Tensor, height: int, width: int) -> Tensor:
    return torch.stack((u * (2.0 / max(width - 1, 1)) - 1.0, v * (2.0 / max(height - 1, 1)) - 1.0), dim=-1)


def build_cost_volume(
    reference: Tensor, sources: Tensor, geometry: SweepGeometry, hypotheses: Tensor, method: str = "auto"
) -> CostVolume:
    """Matching score of every reference pixel at every depth hypothesis, averaged over the views that see the point.

    Sources are sampled where the reference pixel would appear at that depth (backward warping). Views that cannot see
    the point, lie behind it or are padding do not count, neither in the sum nor in the number of views.

    Shapes: reference [B,C,h,w]; sources [B,S,C,h,w]; hypotheses [B,L] ascending, in the unit of the poses.
    Convention: OpenCV axes; pixel centres at integers.
    Raises: ShapeError.
    Source: cross-view MTL (arXiv 2511.20646), Eq. 2 without its sum over depth.
    """
    batch, _, height, width = reference.shape
    total = reference.new_zeros(batch, hypotheses.shape[1], height, width)
    views = torch.zeros_like(total)
    scale = reference.shape[1] ** -0.5
    for index in range(geometry.num_sources):  # in order, so that padding adds exact zeros
        if not bool(geometry.mask[:, index].any()):
            continue
        source = torch.where(geometry.mask[:, index, None, None, None], sources[:, index], 0.0)
        scores, visible = view_scores(reference, source, geometry, index, hypotheses, method)
        total = total + scores * scale
        views = views + visible
    return CostVolume(total / views.clamp(min=1.0), views)
