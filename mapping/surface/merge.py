"""All submaps of a map on one grid."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numba import njit, prange

from mapping.fusion.anchor import whole_blocks
from mapping.fusion.block_index import BlockIndex, check_reach
from mapping.records import BLOCK_SIZE, Blocks, Submap
from mapping.surface.resample import resampled
from streammtl.errors import MapError


def merge_submaps(submaps: Iterable[Submap], voxel_size_m: float, truncation_m: float) -> Blocks:
    """The blocks of all submaps in the world's grid, sorted by index; one submap is in memory at a time.

    Where submaps overlap, tsdf and colour are averaged by weight, weights and label evidence add up. Submaps whose
    anchor lies on the world's block grid, as new anchors do, are added voxel by voxel; those that a correction has
    moved are resampled. Raises: MapError when submaps differ in labels per voxel; GeometryError for an anchor that is
    not rigid or out of reach.
    """
    return merge_blocks(
        in_world(submap.blocks, submap.T_world_submap, voxel_size_m, truncation_m) for submap in submaps
    )


def merge_blocks(parts: Iterable[Blocks]) -> Blocks:
    """Blocks on one grid, each part's indices different among themselves, as one, sorted by index."""
    merged = None
    for blocks in parts:
        merged = _Sum(blocks.label_ids.shape[-1]) if merged is None else merged
        merged.add(blocks)
    return (merged or _Sum(1)).blocks()


def in_world(blocks: Blocks, T_world_submap: np.ndarray, voxel_size_m: float, truncation_m: float) -> Blocks:
    """Blocks of a submap in the world's grid: shifted where its anchor lies on that grid, else resampled."""
    shift = whole_blocks(T_world_submap, voxel_size_m)
    if shift is None:
        return resampled(blocks, T_world_submap, voxel_size_m, truncation_m)
    index = blocks.index.astype(np.int64) + shift
    check_reach(index)
    return Blocks(
        index.astype(np.int32), blocks.tsdf, blocks.weight, blocks.colour, blocks.label_ids, blocks.label_weights
    )


class _Sum:
    """Blocks that others are added to."""

    def __init__(self, labels: int) -> None:
        self._index = BlockIndex()
        self._coordinates = np.zeros((0, 3), np.int32)
        cube = (0, BLOCK_SIZE**3)
        self._tsdf, self._weight = np.zeros(cube, np.float32), np.zeros(cube, np.float32)
        self._colour = np.zeros((*cube, 3), np.float32)
        self._ids, self._evidence = np.zeros((*cube, labels), np.uint8), np.zeros((*cube, labels), np.float32)

    def add(self, blocks: Blocks) -> None:
        k = self._ids.shape[2]
        if blocks.label_ids.shape[-1] != k:
            raise MapError(
                f"one submap keeps {k} labels per voxel, another {blocks.label_ids.shape[-1]}; submaps of one map are "
                "alike. The map is damaged, or two maps were mixed."
            )
        new = np.ascontiguousarray(blocks.index[self._index.find(blocks.index) < 0])
        self._index.add(new)
        self._coordinates = np.concatenate([self._coordinates, new])
        for name in ("_tsdf", "_weight", "_colour", "_ids", "_evidence"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.zeros((len(new), *array.shape[1:]), array.dtype)]))
        cube = (len(blocks), BLOCK_SIZE**3)
        _add(
            self._index.find(blocks.index),
            (blocks.tsdf.reshape(cube), blocks.weight.reshape(cube), blocks.colour.reshape(*cube, 3)),
            (blocks.label_ids.reshape(*cube, k), blocks.label_weights.reshape(*cube, k)),
            (self._tsdf, self._weight, self._colour),
            (self._ids, self._evidence),
        )

    def blocks(self) -> Blocks:
        order = np.lexsort(self._coordinates.T[::-1])
        cube = (len(order), BLOCK_SIZE, BLOCK_SIZE, BLOCK_SIZE)
        return Blocks(
            index=self._coordinates[order],
            tsdf=self._tsdf[order].reshape(cube),
            weight=self._weight[order].reshape(cube),
            colour=np.round(self._colour[order]).astype(np.uint8).reshape(*cube, 3),
            label_ids=self._ids[order].reshape(*cube, self._ids.shape[2]),
            label_weights=self._evidence[order].reshape(*cube, self._ids.shape[2]),
        )


@njit(cache=True, nogil=True, parallel=True)
def _add(slots, new, new_labels, total, total_labels):
    """Adds blocks to the totals in `slots` i32 [M], all different. Gives the number of voxels that had a weight."""
    added = np.zeros(len(slots), np.int64)
    for i in prange(len(slots)):
        added[i] = _add_block(np.int64(i), slots[i], new, new_labels, total, total_labels)
    return added.sum()


@njit(cache=True, nogil=True)
def _add_block(i, slot, new, new_labels, total, total_labels):
    tsdf, weight, colour = new
    total_tsdf, total_weight, total_colour = total
    added = 0
    for n in range(tsdf.shape[1]):
        if not weight[i, n] > 0:
            continue
        # in float64 the products are exact, so that a voxel seen once keeps its value to the last bit
        old, more = np.float64(total_weight[slot, n]), np.float64(weight[i, n])
        total_tsdf[slot, n] = (old * total_tsdf[slot, n] + more * tsdf[i, n]) / (old + more)
        for channel in range(3):
            mixed = old * total_colour[slot, n, channel] + more * colour[i, n, channel]
            total_colour[slot, n, channel] = mixed / (old + more)
        total_weight[slot, n] = old + more
        _add_labels(new_labels[0][i, n], new_labels[1][i, n], total_labels[0][slot, n], total_labels[1][slot, n])
        added += 1
    return added


@njit(cache=True, nogil=True)
def _add_labels(ids, weights, total_ids, total_weights):
    """Adds up the evidence of two voxels and keeps the k labels that have most, by falling weight, then rising id."""
    k = len(ids)
    both_ids = np.zeros(2 * k, np.uint8)
    both = np.zeros(2 * k, np.float32)
    both_ids[:k] = total_ids
    both[:k] = total_weights
    count = k
    for j in range(k):
        if ids[j] == 0:
            continue
        place = count
        for m in range(k):
            if both_ids[m] == ids[j]:
                place = m
        both_ids[place] = ids[j]
        both[place] += weights[j]
        count += place == count
    for j in range(k):
        best = j
        for m in range(j + 1, count):
            if both[m] > both[best] or (both[m] == both[best] and 0 < both_ids[m] < both_ids[best]):
                best = m
        both[j], both[best] = both[best], both[j]
        both_ids[j], both_ids[best] = both_ids[best], both_ids[j]
    total_ids[:] = both_ids[:k]
    total_weights[:] = both[:k]
