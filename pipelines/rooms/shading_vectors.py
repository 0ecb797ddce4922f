"""Products of vectors that lie component by component, [3,...]: sums over so short an axis are slow otherwise."""

from __future__ import annotations

import torch


def dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.addcmul(torch.addcmul(a[0] * b[0], a[1], b[1]), a[2], b[2])


def length(a: torch.Tensor) -> torch.Tensor:
    return dot(a, a).sqrt_()


def unit(a: torch.Tensor) -> torch.Tensor:
    """Vectors of length 1; those too short to have a direction stay short."""
    return a / length(a).clamp_min_(1e-6)
