"""Which space is taken: oriented boxes on the floor plan with a height range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Block:
    """A rectangle turned by `yaw`, between two heights. Metres, world frame."""

    centre: tuple[float, float]
    half: tuple[float, float]
    yaw: float
    low: float
    high: float
    solid: bool = True  # False: kept free, as before a door

    def corners(self, grow: float = 0.0) -> np.ndarray:
        """f64 [4,2]."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        local = signs * (np.array(self.half) + grow)
        return local @ np.array([[c, s], [-s, c]]) + np.array(self.centre)


class Occupancy:
    """A growing list of blocks with a fast overlap test."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._rows = np.zeros((64, 8))

    def add(self, block: Block) -> int:
        """Takes the block's space; returns its index."""
        count = len(self.blocks)
        if count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        c, s = np.cos(block.yaw), np.sin(block.yaw)
        self._rows[count] = (*block.centre, *block.half, c, s, block.low, block.high)
        self.blocks.append(block)
        return count

    def free(self, block: Block, gap: float = 0.0, ignore: Sequence[int] = ()) -> bool:
        """Whether a block keeps `gap` metres from all others but those to `ignore`: separating axes of rectangles."""
        count = len(self.blocks)
        if count == 0:
            return True
        x, y, hx, hy, c, s, low, high = self._rows[:count].T
        near = (low < block.high - 1e-6) & (block.low < high - 1e-6)
        near[list(ignore)] = False
        if not near.any():
            return True
        d = np.stack([x - block.centre[0], y - block.centre[1]])[:, near]
        hx, hy, c, s = hx[near], hy[near], c[near], s[near]
        ax, ay = block.half[0] + gap, block.half[1] + gap
        cb, sb = np.cos(block.yaw), np.sin(block.yaw)
        cosine, sine = np.abs(c * cb + s * sb), np.abs(s * cb - c * sb)
        apart = np.abs(d[0] * cb + d[1] * sb) >= ax + hx * cosine + hy * sine - 1e-6
        apart |= np.abs(-d[0] * sb + d[1] * cb) >= ay + hx * sine + hy * cosine - 1e-6
        apart |= np.abs(d[0] * c + d[1] * s) >= hx + ax * cosine + ay * sine - 1e-6
        apart |= np.abs(-d[0] * s + d[1] * c) >= hy + ax * sine + ay * cosine - 1e-6
        return bool(apart.all())
