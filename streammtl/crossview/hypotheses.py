"""Depth hypotheses: the planes at which views are compared."""

from __future__ import annotations

import torch
from torch import Tensor

from streammtl.crossview.choices import Spacing
from streammtl.crossview.tracing import values_are_unknown
from streammtl.errors import ConfigError, DepthRangeError

NEAREST_USEFUL_M = 0.05
LITERAL_LIMITS_M = (0.0001, 10.0)
SPACINGS = tuple(str(spacing) for spacing in Spacing)


def depth_hypotheses(
    near: Tensor, far: Tensor, num_planes: int, spacing: str = "inverse", nearest: float = NEAREST_USEFUL_M
) -> Tensor:
    """Depths [B,L] between near and far [B], ascending, both ends included.

    `spacing` is one of SPACINGS; `paper_literal` ignores near and far. `nearest` is the smallest near limit accepted;
    pass 0 when the unit is that of up-to-scale poses and not the metre.

    Raises: DepthRangeError for limits that hold nothing to see; ConfigError for an unknown spacing.
    Source: cross-view MTL (arXiv 2511.20646), section 4.2. The paper samples 0.0001 to 10 m, which puts all planes
    but one within 1.3 cm of the camera; here the limits are metres in front of it. `paper_literal` keeps the
    paper's for comparison.
    """
    if spacing not in SPACINGS:
        raise ConfigError(f"depth spacing {spacing!r} is unknown; use one of {', '.join(SPACINGS)}.")
    if num_planes < 2:
        raise ConfigError(f"num_planes is {num_planes}; a sweep needs at least 2 planes, e.g. 64.")
    if spacing == Spacing.PAPER_LITERAL:
        near, far = (torch.full_like(limit, value) for limit, value in zip((near, far), LITERAL_LIMITS_M, strict=True))
    else:
        check_depth_range(near, far, nearest)
    step = torch.linspace(0.0, 1.0, num_planes, device=near.device, dtype=torch.float64)
    low, high = near.double()[:, None], far.double()[:, None]
    if spacing != Spacing.LOG:
        depths = 1.0 / (1.0 / low + step * (1.0 / high - 1.0 / low))
    else:
        depths = torch.exp(low.log() + step * (high.log() - low.log()))
    depths = torch.minimum(torch.maximum(depths.float(), near.float()[:, None]), far.float()[:, None])
    return depths


@torch.compiler.disable  # looking at values breaks a compiled graph, so once and not at every comparison
def check_depth_range(near: Tensor, far: Tensor, nearest: float = NEAREST_USEFUL_M) -> None:
    """Raises DepthRangeError unless nearest < near < far, all finite, for every sample."""
    if values_are_unknown(near):
        return
    if not bool((near > nearest).all()):
        raise DepthRangeError(
            f"near limit is {float(near.min()):.4g}; depth planes at or below {nearest:g} hold nothing an indoor "
            "camera can see. Set the near limit larger, e.g. 0.5."
        )
    if not bool((torch.isfinite(far) & (far > near)).all()):
        raise DepthRangeError(
            f"depth range {near.tolist()} to {far.tolist()} is empty or not finite; the far limit must lie beyond near."
        )
