"""Plane-sweep cost volumes: how well every reference pixel matches its neighbours at every depth hypothesis."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from streammtl.crossview.correlation import Landing, all_pairs_scores, box_runs, box_scores, num_products
from streammtl.crossview.tiles import tiled_sweep
from streammtl.crossview.tracing import values_are_unknown
from streammtl.crossview.warp import SweepGeometry
from streammtl.errors import ConfigError, ShapeError

# At most this much for products of reference and source features at a time.
PRODUCTS_BUDGET_BYTES = 256_000_000
METHODS = ("auto", "boxes", "all_pairs", "per_plane", "fused")


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

    All methods give the same up to rounding, since bilinear sampling is linear: sampling the features and then taking
    products (`per_plane`), or taking products and then sampling those, which never hold more than budget_bytes at a
    time: with the boxes that the epipolar lines cross (`boxes`, on a CPU only) or with the whole source (`all_pairs`).
    `auto` takes what is faster: all pairs on a GPU; on a CPU boxes, unless they would be large for the few channels.
    `fused` is one kernel that holds no products at all, on CUDA with Triton; for maps whose products need many passes.
    An exported graph has all pairs, the one method whose shapes do not depend on poses.
    Geometry is float32 whatever autocast says; features may be of lower precision, scores are float32.

    Shapes: reference, source [B,C,h,w]; hypotheses [B,L] -> scores [B,L,h,w] (0 where not visible), visible bool
    [B,L,h,w].
    Raises: ShapeError, ConfigError for an unknown method or one that the device does not have.
    """
    scores, visible = _view_scores(reference, source, geometry, index, hypotheses, method, budget_bytes)
    return torch.where(visible, scores, 0.0), visible


def _view_scores(
    reference: Tensor,
    source: Tensor,
    geometry: SweepGeometry,
    index: int,
    hypotheses: Tensor,
    method: str,
    budget_bytes: int,
) -> tuple[Tensor, Tensor]:
    """As view_scores, with scores that are finite but mean nothing where a point is not visible."""
    _check(reference, source, geometry, method)
    grid = (geometry.height, geometry.width)
    with nullcontext() if reference.is_meta else torch.autocast(reference.device.type, enabled=False):
        inverse_depths = hypotheses.float().reciprocal()
        seen = geometry.visible_range(index)  # two of [B,hw]
        choose = method == "auto" and reference.device.type == "cpu" and not values_are_unknown(reference)
        if method == "boxes" or choose:
            sweep = tiled_sweep(geometry, index, seen, inverse_depths, budget_bytes // (4 * grid[0] * grid[1]))
            runs = box_runs(sweep, reference.shape[1], budget_bytes)
            products = num_products(sweep, runs) / (hypotheses.numel() * grid[0] * grid[1])
            if method == "boxes" or boxes_are_faster(reference.shape[1], products):
                scores = box_scores(reference, source, sweep, runs, inverse_depths, budget_bytes)
                visible = _between(inverse_depths[:, None], *(end[..., None] for end in seen))  # [B,hw,L]
                return tuple(x.unflatten(1, grid).permute(0, 3, 1, 2) for x in (scores, visible))
            method = "per_plane"
        u, v, _ = geometry.project(hypotheses[:, :, None].float(), index)  # [B,L,hw]
        landing = Landing(u, v, *grid)
        if method == "per_plane":
            scores = _per_plane(reference.float(), source.float(), landing)
        elif method == "fused":
            scores = fused_kernel()(reference, source, geometry, index, inverse_depths, landing, budget_bytes)
        else:
            scores = all_pairs_scores(reference, source, landing, budget_bytes)
        visible = _between(inverse_depths[..., None], *(end[:, None] for end in seen))
    return scores.unflatten(2, grid), visible.unflatten(2, grid)


def _check(reference: Tensor, source: Tensor, geometry: SweepGeometry, method: str) -> None:
    if method not in METHODS:
        raise ConfigError(f"cost volume method {method!r} is unknown; use one of {', '.join(METHODS)}.")
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    if method == "fused" and reference.device.type != "cuda" and not interpreted:
        raise ConfigError(f"cost volume method fused works on CUDA, not on {reference.device}; use auto.")
    if method == "boxes" and reference.device.type != "cpu":
        raise ConfigError(f"cost volume method boxes works on a CPU, not on {reference.device}; use all_pairs or auto.")
    if reference.shape != source.shape or reference.shape[-2:] != (geometry.height, geometry.width):
        raise ShapeError(
            f"reference {tuple(reference.shape)} and source {tuple(source.shape)} must be equal and on the geometry's "
            f"{geometry.height}x{geometry.width} grid."
        )


def fused_kernel() -> Callable[..., Tensor]:
    """The kernel's function, imported late: only CUDA builds of PyTorch bring Triton along. Raises: ConfigError."""
    try:
        from streammtl.crossview.cost_volume_triton import fused_scores
    except ImportError as error:
        raise ConfigError("cost volume method fused needs Triton, which is not installed; use auto.") from error
    return fused_scores


def boxes_are_faster(channels: int, products: float) -> bool:
    """Whether so many products per score cost less than sampling whole features; measured on a CPU, see
    benchmarks/inference.py."""
    return products * (0.7 + channels / 52) < 2.0 + 1.5 * channels  # nanoseconds per score


def _between(value: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return (value >= low) & (value <= high)


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
    `method`, `budget_bytes`: as view_scores takes them.

    Shapes: reference [B,C,h,w]; sources [B,S,C,h,w]; hypotheses [B,L] ascending, in the unit of the poses.
    Convention: OpenCV axes; pixel centres at integers.
    Raises: ShapeError.
    Source: cross-view MTL (arXiv 2511.20646), Eq. 2 without its sum over depth.
    """
    build = _built if reference.device.type != "cpu" else _built_eagerly
    return build(reference, sources, geometry, hypotheses, method, budget_bytes)


def _built(
    reference: Tensor, sources: Tensor, geometry: SweepGeometry, hypotheses: Tensor, method: str, budget_bytes: int
) -> CostVolume:
    total, views = None, None
    for index in range(geometry.num_sources):  # in order, so that padding adds exact zeros
        if nobody_is_there(geometry.mask[:, index]):
            continue
        source = torch.where(geometry.mask[:, index, None, None, None], sources[:, index], 0.0)
        scores, visible = _view_scores(reference, source, geometry, index, hypotheses, method, budget_bytes)
        seen = visible.float()
        total = scores * seen if total is None else torch.addcmul(total, scores, seen)
        views = seen if views is None else views + seen
    if total is None:
        total = hypotheses.new_zeros(*hypotheses.shape, *reference.shape[-2:])
        views = torch.zeros_like(total)
    return CostVolume(total / (views.clamp(min=1.0) * reference.shape[1] ** 0.5), views)


# on a CPU, where poses decide the shapes of products, compiled graphs end here instead of breaking all over
_built_eagerly = torch.compiler.disable(_built)


def nobody_is_there(mask: Tensor) -> bool:
    """Whether a view is padding in all samples. On a GPU asking would stall it."""
    return mask.device.type == "cpu" and not values_are_unknown(mask) and not bool(mask.any())
