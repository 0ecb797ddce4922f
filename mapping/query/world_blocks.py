"""Blocks of the merged map in the world's grid, put together from the submaps that hold them, a few at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mapping.fusion.anchor import whole_blocks
from mapping.fusion.block_index import BlockIndex, check_reach
from mapping.records import Blocks
from mapping.store.header import SubmapEntry
from mapping.store.reader import MapReader
from mapping.surface.merge import merge_blocks
from mapping.surface.resample import blocks_reached, resampled, source_slots
from streammtl.errors import MapError


@dataclass(frozen=True)
class _Source:
    """One submap: where its blocks lie in the world's grid."""

    number: int
    T_world_submap: np.ndarray  # f64 [4,4]
    shift: np.ndarray | None  # i64 [3] blocks; None for an anchor off the world's grid
    coordinates: np.ndarray  # i32 [M,3] in its own grid
    box: list[np.ndarray] = field(default_factory=list)  # lowest and highest world block, [3] each

    @cached_property
    def index(self) -> BlockIndex:
        """Its own blocks by coordinates; few submaps are ever asked."""
        index = BlockIndex(len(self.coordinates))
        index.add(self.coordinates)
        return index

    def may_hold(self, world: np.ndarray) -> bool:
        """Whether one of the world blocks i32 [N,3] can be made of own ones; True more often than so."""
        low, high = self.box
        return bool(((world >= low) & (world <= high)).all(1).any())

    def world_blocks(self, rows: np.ndarray, voxel_size_m: float) -> np.ndarray:
        """World blocks i32 [N,3] that the blocks at `rows` reach into."""
        if self.shift is None:
            return blocks_reached(self.coordinates[rows], self.T_world_submap, voxel_size_m)
        moved = self.coordinates[rows] + self.shift
        check_reach(moved)
        return moved.astype(np.int32)

    def rows(self, world: np.ndarray, voxel_size_m: float) -> np.ndarray:
        """Places i32 [N,1] or [N,27] of the own blocks that world blocks i32 [N,3] are made of; -1 = none."""
        if self.shift is None:
            return source_slots(world, self.T_world_submap, voxel_size_m, self.index)
        return self.index.find((world - self.shift).astype(np.int32))[:, None]


_Part = tuple[_Source, np.ndarray, Blocks]  # what was read of a submap: places i64 [N], rising, and blocks


class WorldBlocks:
    """The merged blocks of one component of a map, by number. Only where they lie is held in memory.

    Values equal those of `merge_submaps`: averaged by weight where submaps overlap.
    """

    def __init__(self, reader: MapReader, component: int | None = None) -> None:
        """Without a component, the one with most blocks. Raises: MapError for a component that the map lacks."""
        self._reader = reader
        self.voxel_size_m, self.truncation_m = reader.header.voxel_size_m, reader.header.truncation_m
        self._sources = [self._source(entry) for entry in _chosen(reader, component)]
        self.index = BlockIndex(sum(len(source.coordinates) for source in self._sources))
        found, holders = [np.zeros((0, 3), np.int32)], np.zeros(0, np.int32)
        for source in self._sources:
            reached = source.world_blocks(np.arange(len(source.coordinates)), self.voxel_size_m)
            source.box.extend([reached.min(0), reached.max(0)] if len(reached) else [np.ones(3), np.zeros(3)])
            known = self.index.find(reached)
            found.append(np.ascontiguousarray(reached[known < 0]))
            self.index.add(found[-1])
            holders[known[known >= 0]] += 1
            holders = np.concatenate([holders, np.ones(len(found[-1]), np.int32)])
        self.coordinates = np.concatenate(found)  # i32 [N,3] of every block by its number
        self.holders = holders  # i32 [N] how many submaps reach into it

    def __len__(self) -> int:
        return len(self.coordinates)

    def _source(self, entry: SubmapEntry) -> _Source:
        shift = whole_blocks(entry.anchor, self.voxel_size_m)
        return _Source(entry.number, entry.anchor, shift, self._reader.block_index(entry.number))

    def read(self, numbers: np.ndarray, look: bool = True, others: bool = True) -> tuple[np.ndarray, Blocks]:
        """Blocks by number, with colours and labels if `look`; and `others` that what was read happens to complete.

        Gives the numbers i64 [N] of the blocks now known and those of them, in the world's grid, that hold something.
        """
        wanted = self.coordinates[numbers]
        parts, near = [], []
        for source in self._sources:
            rows = np.unique(source.rows(wanted, self.voxel_size_m)) if source.may_hold(wanted) else wanted[:0, 0]
            if rows[rows >= 0].size:
                places, blocks = self._reader.block_rows(source.number, rows[rows >= 0], look, look, others)
                parts.append((source, places, blocks))
                if others:
                    near.append(self.index.find(source.world_blocks(places, self.voxel_size_m)))
        known = np.unique(np.concatenate([numbers, *near]).astype(np.int64))
        known = self._complete(known, parts) if others else known
        return known, self._merged(self.coordinates[known], parts)

    def _complete(self, numbers: np.ndarray, parts: list[_Part]) -> np.ndarray:
        """Those of the blocks that need nothing but what has been read."""
        world, complete = self.coordinates[numbers], np.ones(len(numbers), bool)
        places = {source.number: at for source, at, _ in parts}
        for source in self._sources:
            if not source.may_hold(world):
                continue
            read = np.zeros(len(source.coordinates) + 1, bool)
            read[-1] = True  # -1: nothing there
            read[places.get(source.number, [])] = True
            complete &= read[source.rows(world, self.voxel_size_m)].all(1)
        return numbers[complete]

    def _merged(self, world: np.ndarray, parts: list[_Part]) -> Blocks:
        """World blocks i32 [N,3] from all that was read; those that one submap alone holds are taken as they are."""
        rows = [source.rows(world, self.voxel_size_m) for source, _, _ in parts]
        holders = sum((row >= 0).any(1) for row in rows) if parts else np.zeros(len(world))
        whole, several = [], []
        for (source, places, blocks), row in zip(parts, rows, strict=True):
            if source.shift is None:
                there = np.ascontiguousarray(world[(row >= 0).any(1)])
                own = _taken(blocks, np.searchsorted(places, np.unique(row[row >= 0])))
                several.append(resampled(own, source.T_world_submap, self.voxel_size_m, self.truncation_m, there))
                continue
            for alone, group in ((True, whole), (False, several)):
                here = row[((holders == 1) == alone) & (row[:, 0] >= 0), 0]
                own = _taken(blocks, np.searchsorted(places, here))
                own.index = (own.index + source.shift).astype(np.int32)
                group.append(own)
        whole += [merge_blocks(several)] if any(map(len, several)) else []
        return joined(whole) if whole else merge_blocks([])


def _taken(blocks: Blocks, places: np.ndarray) -> Blocks:
    """Blocks at places; views where these follow each other."""
    if len(places) and (np.diff(places) == 1).all():
        places = slice(places[0], places[-1] + 1)
    return Blocks(*(array[places] for array in vars(blocks).values()))


def joined(parts: list[Blocks]) -> Blocks:
    """Blocks of several parts, none of them in two, one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Blocks(*(np.concatenate(arrays) for arrays in zip(*(vars(part).values() for part in parts), strict=True)))


def _chosen(reader: MapReader, component: int | None) -> list[SubmapEntry]:
    entries = reader.header.submaps
    components = sorted({entry.component for entry in entries})
    if component is None and components:
        component = max(components, key=lambda c: sum(entry.blocks for entry in entries if entry.component == c))
    elif component is not None and component not in components:
        raise MapError(f"the map {reader.path} has no component {component}; it has {components}.")
    return [entry for entry in entries if entry.component == component]
