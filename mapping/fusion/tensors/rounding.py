"""Rounding up or down with the probability of the fraction, the same for the same input."""

from __future__ import annotations

from torch import Tensor

HASH = -1640531527  # 2^32 over the golden ratio: what is multiplied by it spreads over all bits
CHANCES = 128


def chance(bits: Tensor) -> Tensor:
    """Numbers f32 within (0,1), to be added before a fraction is cut off: middles of CHANCES equal parts, chosen by the
    bits of an i32."""
    return ((bits * HASH >> 16 & CHANCES - 1) + 0.5) * (1 / CHANCES)
