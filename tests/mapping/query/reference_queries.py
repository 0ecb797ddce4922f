"""Slow, clear answers to the same questions, from all merged blocks in one dictionary."""

from __future__ import annotations

import itertools

import numpy as np

from mapping.records import Blocks

MIN_WEIGHT = 0.05


class WholeMap:
    """Merged blocks [M] of a map, voxel by voxel."""

    def __init__(self, blocks: Blocks, voxel_size_m: float, truncation_m: float) -> None:
        self.voxel_size_m, self.truncation_m = voxel_size_m, truncation_m
        self.blocks = blocks
        self.place = {tuple(index): i for i, index in enumerate(blocks.index.tolist())}

    def voxel(self, v: tuple[int, int, int]) -> tuple[int, int, int, int] | None:
        """Where in the arrays a voxel of the world's grid lies; None where there is no block."""
        block = self.place.get(tuple(c // 8 for c in v))
        return None if block is None else (block, *(c % 8 for c in v))

    def tsdf_m(self, point: np.ndarray) -> float:
        value = 0.0
        for share, at in self._corners(point):
            if at is None or not self.blocks.weight[at] > MIN_WEIGHT:
                return np.nan
            value += share * float(self.blocks.tsdf[at])
        return value * self.truncation_m

    def weight(self, point: np.ndarray) -> float:
        return sum(share * float(self.blocks.weight[at]) for share, at in self._corners(point))

    def colour(self, point: np.ndarray) -> np.ndarray:
        return np.floor(sum(share * self.blocks.colour[at].astype(float) for share, at in self._corners(point)) + 0.5)

    def label(self, point: np.ndarray) -> tuple[int, float]:
        votes, labelled = {}, 0.0
        for share, at in self._corners(point):
            evidence, label = self.blocks.label_weights[at], int(self.blocks.label_ids[at][0])
            if evidence.sum() > 0 and label > 0:
                votes[label] = votes.get(label, 0.0) + share * float(evidence[0] / evidence.sum())
                labelled += share
        if not labelled:
            return 0, 0.0
        label = max(votes, key=votes.get)
        return label, votes[label] / labelled

    def first_hit_m(self, origin: np.ndarray, direction: np.ndarray, far_m: float) -> float:
        """Along a ray in tenths of voxels: the first change from free space to behind a surface."""
        before = np.nan
        step = self.voxel_size_m / 10
        for t in np.arange(0, far_m, step):
            value = self.tsdf_m(origin + t * direction)
            if value < 0 <= before:
                return t - step * value / (value - before)
            before = value
        return np.inf

    def _corners(self, point: np.ndarray):
        v = np.asarray(point, np.float64) / self.voxel_size_m
        low = np.floor(v).astype(int)
        f = v - low
        for z, y, x in itertools.product((0, 1), repeat=3):  # x changes fastest
            share = np.prod([f[i] if c else 1 - f[i] for i, c in enumerate((x, y, z))])
            yield share, self.voxel((low[0] + x, low[1] + y, low[2] + z))
