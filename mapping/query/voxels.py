"""Voxels of a merged map by place, read from the disk as they are needed. Lengths and points are in voxels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mapping.query.corners import KNOWN, MISSING
from mapping.query.marching_rays import follow_rays
from mapping.query.residency import Residency
from mapping.query.sampling import sample_distance, sample_look
from mapping.query.world_blocks import WorldBlocks
from mapping.records import BLOCK_SIZE

MIN_WEIGHT = 0.05  # as meshes have it: in sure frontal views from 1 m
_VOXELS = BLOCK_SIZE**3
_PATIENCE = 64  # rounds of reading before a batch is taken in halves
_LINE = (_VOXELS,)


class Voxels:
    """Distances and looks of world blocks, each kept in at most half of `memory_bytes`."""

    def __init__(self, world: WorldBlocks, memory_bytes: int) -> None:
        self._world = world
        self._wanted = np.zeros(len(world), np.uint8)
        self._geometry = Residency(
            len(world), memory_bytes // 2, {"tsdf": (_LINE, np.float32), "weight": (_LINE, np.float32)}, self._distances
        )
        look = {"colour": ((_VOXELS, 3), np.uint8), "label": (_LINE, np.uint8), "confidence": (_LINE, np.float32)}
        self._look = Residency(len(world), memory_bytes // 2, look, self._looks)

    @property
    def nbytes(self) -> int:
        """The most that the kept voxels take."""
        return self._geometry.nbytes + self._look.nbytes

    def distance(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """tsdf as a fraction (NaN = unknown) and weight (0 = unknown), f32 [N], at points f64 [N,3]."""
        status = np.zeros(len(points), np.uint8)
        out = (status, np.empty(len(points), np.float32), np.empty(len(points), np.float32))
        grid = (self._geometry.arrays["tsdf"], self._geometry.arrays["weight"])

        def run(rows: np.ndarray) -> np.ndarray:
            tables, slots = self._world.index.tables, self._geometry.slot_of
            sample_distance(tables, slots, self._wanted, grid, MIN_WEIGHT, points, rows, *out)
            return rows[status[rows] == MISSING]

        self._until_known(run, len(points), self._geometry)
        return out[1:]

    def look(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Colour u8 [N,3], label u8 [N] and its share of the evidence f32 [N] at points f64 [N,3]; 0 = unknown."""
        n = len(points)
        status = np.zeros(n, np.uint8)
        out = (status, np.zeros((n, 3), np.uint8), np.zeros(n, np.uint8), np.zeros(n, np.float32))
        look = tuple(self._look.arrays[name] for name in ("colour", "label", "confidence"))

        def run(rows: np.ndarray) -> np.ndarray:
            tables, slots = self._world.index.tables, self._look.slot_of
            sample_look(tables, slots, self._wanted, look, points, rows, *out)
            return rows[status[rows] == MISSING]

        self._until_known(run, n, self._look)
        return out[1:]

    def first_hits(
        self, origin: np.ndarray, directions: np.ndarray, truncation: float, far: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """How far rays with unit directions f64 [N,3] come, f64 [N] (inf = no surface), and normals f32 [N,3] there."""
        state = np.full((len(directions), 4), np.nan)
        state[:, :2] = 0
        normals = np.zeros((len(directions), 3), np.float32)
        grid = (self._geometry.arrays["tsdf"], self._geometry.arrays["weight"])
        limits = (MIN_WEIGHT, truncation, far)

        def run(rows: np.ndarray) -> np.ndarray:
            tables, slots = self._world.index.tables, self._geometry.slot_of
            follow_rays(tables, slots, self._wanted, grid, limits, origin, directions, rows, state, normals)
            return rows[state[rows, 3] == MISSING]

        self._until_known(run, len(directions), self._geometry)
        return np.where(state[:, 3] == KNOWN, state[:, 0], np.inf), normals

    def _until_known(self, run: Callable[[np.ndarray], np.ndarray], n: int, cache: Residency) -> None:
        """Lets `run` work on rows 0..n, and again on those that it gives back as lacking blocks it has marked."""
        batches = [np.arange(n)]
        while batches:
            rows = batches.pop()
            for attempt in range(_PATIENCE + 1):
                rows = run(rows)
                wanted = np.flatnonzero(self._wanted)
                self._wanted[wanted] = 0
                if not len(rows):
                    break
                if len(rows) > 1 and (2 * len(wanted) > cache.slots or attempt == _PATIENCE):
                    batches += [rows[len(rows) // 2 :], rows[: len(rows) // 2]]
                    break
                cache.bring(wanted)

    def _distances(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        known, blocks = self._world.read(numbers, look=False)
        arrays = {name: getattr(blocks, name).reshape(-1, _VOXELS) for name in ("tsdf", "weight")}
        return known, self._world.index.find(blocks.index), arrays

    def _looks(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        known, blocks = self._world.read(numbers, others=False)
        evidence = blocks.label_weights.sum(-1)
        label = np.where(evidence > 0, blocks.label_ids[..., 0], 0)
        share = np.where(label > 0, blocks.label_weights[..., 0] / np.maximum(evidence, 1e-9), 0)
        colour = blocks.colour.reshape(-1, _VOXELS, 3)
        arrays = {"colour": colour, "label": label.reshape(-1, _VOXELS), "confidence": share.reshape(-1, _VOXELS)}
        return known, self._world.index.find(blocks.index), arrays
