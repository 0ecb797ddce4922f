"""Rounding up or down with the probability of the fraction, the same for the same input."""

from __future__ import annotations

import numpy as np
from numba import njit

HASH = np.int32(-1640531527)  # 2^32 over the golden ratio: what is multiplied by it spreads over all bits


@njit(cache=True, nogil=True, inline="always")
def chance(bits):
    """A number within (0,1), to be added before a fraction is cut off: the middle of one of 128 equal parts, chosen by
    the bits of an i32."""
    hashed = np.int32(np.int32(bits) * HASH)
    # seven of its bits become the leading ones of the fraction of a float within [1,2)
    return np.int32(hashed & np.int32(0x007F0000) | np.int32(0x3F800000)).view(np.float32) - np.float32(1 - 1 / 256)
