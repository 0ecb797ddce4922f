"""Plane-sweep cost volumes: how well every reference pixel matches its neighbours at every depth hypothesis."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from streammtl.crossview.correlation import Landing, correlation_scores, num_products, plan_tiles
from streammtl.crossview.warp import SweepGeometry
from streammtl.errors import ConfigError, ShapeError

# At most this much for products of reference and source features at a time.
PRODUCTS_BUDGET_BYTES = 256_000_000
# Sampling whole features is faster on a CPU for narrow features, and for more products per score than this; measured,
# see benchmarks/inference.py.
FEWEST_CHANNELS = 16
WORTHWHILE_PRODUCTS = 32
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
    reference: Tensor,
    source: Tensor,
    geometry: SweepGeometry,
    index: int,
    hypotheses: Tensor,
    method: str = "auto",
    budget_bytes: int = PRODUCTS_BUDGET_BYTES,
) -> tuple[Tensor, Tensor]:
    """Dot products <F_ref(p), F_src(p')> with one source view, p' being where p lands at each depth.

    Both methods give the same up to rounding, since bilinear sampling is linear: sampling the features and then taking
    products, or taking all products and then sampling those, which never hold more than budget_bytes at a time.
    Geometry is float32 whatever autocast says; features may be of lower precision, scores are float32.

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
    on_cpu = reference.device.type == "cpu"
    if method == "auto" and on_cpu and reference.shape[1] < FEWEST_CHANNELS:
        method = "per_plane"
    with nullcontext() if reference.is_meta else torch.autocast(reference.device.type, enabled=False):
        u, v, visible = geometry.project(hypotheses[:, :, None].float(), index)  # [B,L,hw]
        landing = Landing(u, v, visible, geometry.height, geometry.width)
        tiles = plan_tiles(landing, budget_bytes) if method != "per_plane" else []
        too_many = method == "auto" and on_cpu and num_products(tiles) > WORTHWHILE_PRODUCTS * u.numel()
        if method == "per_plane" or too_many:
            scores = _per_plane(reference.float(), source.float(), landing)
        else:
            scores = correlation_scores(reference, source, landing, tiles, budget_bytes)
        scores = torch.where(visible, scores, 0.0)
    shape = (*hypotheses.shape, geometry.height, geometry.width)
    return scores.view(shape), visible.view(shape)


def _per_plane(reference: Tensor, source: Tensor, landing: Landing) -> Tensor:
    height, width = landing.height, landing.width
    scale = torch.tensor((2.0 / max(width - 1, 1), 2.0 / max(height - 1, 1)), device=source.device)
    scores = []
    for plane in range(landing.u.shape[1]):  # several planes in one call would fall out of the cache
        grid = torch.stack((landing.u[:, plane], landing.v[:, plane]), -1) * scale - 1.0
        grid = grid.view(-1, height, width, 2)
        sampled = F.grid_sample(source, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
        scores.append((reference * sampled).sum(1))
    return torch.stack(scores, 1).flatten(2)


def build_cost_volume(
    reference: Tensor,
    sources: Tensor,
    geometry: SweepGeometry,
    hypotheses: Tensor,
    method: str = "auto",
    budget_bytes: int = PRODUCTS_BUDGET_BYTES,
) -> CostVolume:
    """Matching score of every reference pixel at every depth hypothesis, averaged over the views that see the point.

    Sources are sampled where the reference pixel would appear at that depth (backward warping). Views that cannot see
    the point, lie behind it or are padding do not count, neither in the sum nor in the number of views.

    Shapes: reference [B,C,h,w]; sources [B,S,C,h,w]; hypotheses [B,L] ascending, in the unit of the poses.
    Convention: OpenCV axes; pixel centres at integers.
    Raises: ShapeError.
    Source: cross-view MTL (arXiv 2511.20646), Eq. 2 without its sum over depth.
    """
    height, width = reference.shape[-2:]
    total = hypotheses.new_zeros(*hypotheses.shape, height, width)
    views = torch.zeros_like(total)
    scale = reference.shape[1] ** -0.5
    for index in range(geometry.num_sources):  # in order, so that padding adds exact zeros
        if nobody_is_there(geometry.mask[:, index]):
            continue
        source = torch.where(geometry.mask[:, index, None, None, None], sources[:, index], 0.0)
        scores, visible = view_scores(reference, source, geometry, index, hypotheses, method, budget_bytes)
        total = total + scores * scale
        views = views + visible
    return CostVolume(total / views.clamp(min=1.0), views)


def nobody_is_there(mask: Tensor) -> bool:
    """Whether a view is padding in all samples. On a GPU asking would stall it; meta tensors cannot say."""
    return mask.device.type == "cpu" and not bool(mask.any())
