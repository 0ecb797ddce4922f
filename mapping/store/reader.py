"""Reads a map: only what its root names, and as little at a time as was asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from mapping.records import Blocks, FrameRecord, KeyframeRecord, Submap
from mapping.store.block_rows import read_block_index, read_block_rows
from mapping.store.damage import reading
from mapping.store.header import MapHeader, SubmapEntry
from mapping.store.keyframes import (
    KEYFRAME_ARRAYS,
    Columns,
    check_keyframes,
    read_column,
    read_columns,
    read_jpeg,
    read_keyframe,
)
from mapping.store.place import ROOT, SPARE, Place, place_of
from mapping.store.root import read_header
from mapping.store.state import read_state
from mapping.store.submaps import read_blocks, read_frames, read_submap
from mapping.store.summary import summarise
from mapping.store.surface import read_surface_group
from mapping.store.trajectory import MapTrajectory, read_trajectory, read_trajectory_group
from streammtl.errors import StoreError

if TYPE_CHECKING:
    from mapping.surface.mesh import Mesh

logger = logging.getLogger(__name__)
_ATTEMPTS = 5


def is_map(path: Path | str) -> bool:
    """Whether a map was begun at `path`, sound or not."""
    place = place_of(path)
    return place.what_is_wrong() is None and len(list(place.missing([ROOT, SPARE], ""))) < 2


def open_map(path: Path | str) -> MapReader:
    """Opens a map for reading; a writer may be at work on it meanwhile.

    Raises: StoreError when there is no map at `path` or its root is damaged; VersionError when it is newer than this
    software.
    """
    return MapReader(place_of(path))


class MapReader:
    """A map as of the last commit at the time of opening; `refresh` moves on to the newest.

    Methods raise StoreError when what the root names is damaged or gone.
    """

    def __init__(self, place: Place) -> None:
        self.path = place.path
        self._place = place
        self.refresh()

    def refresh(self) -> None:
        """Takes over the newest commit."""
        self.header: MapHeader = read_header(self._place)
        with reading(self._place, "root"):
            self._root = zarr.open_group(self._place.zarr_store(), mode="r")

    def summary(self) -> dict[str, Any]:
        """What is in the map, JSON-able, without loading voxels or images."""
        try:
            trajectory = self.trajectory()
        except StoreError as error:
            logger.warning("%s Frames of damaged submaps are left out of what follows.", error)
            trajectory = read_trajectory(self._place, self._root, self._with_frames())
        return summarise(self._place, self.header, trajectory)

    def _with_frames(self) -> Iterator[SubmapEntry]:
        """Submaps whose frames can be read."""
        for entry in self.header.submaps:
            try:
                self.frames_of(entry.number)
            except StoreError:
                continue
            yield entry

    @property
    def blocks(self) -> int:
        """Voxel blocks in all submaps."""
        return sum(entry.blocks for entry in self.header.submaps)

    def submaps(self) -> Iterator[Submap]:
        """The submaps by rising number, one in memory at a time."""
        for entry in self.header.submaps:
            yield self.submap(entry.number)

    def submap(self, number: int) -> Submap:
        """One submap. While a writer is at work, its newest checkpoint where the one named at opening is gone."""
        entry = self._entry(number)
        for _ in range(_ATTEMPTS):
            try:
                with reading(self._place, entry.group):
                    return read_submap(self._place, self._root, entry)
            except StoreError:
                newest = read_header(self._place).entry(number)
                if newest is None or newest.group == entry.group:
                    raise
                entry = newest
        raise StoreError(f"submap {number} of {self.path} is rewritten faster than it can be read. Try again later.")

    def block_index(self, number: int) -> np.ndarray:
        """Block coordinates i32 [M,3] of a submap, in its own grid, without its voxels."""
        entry = self._entry(number)
        with reading(self._place, entry.group):
            return read_block_index(self._place, self._root, entry)

    def block_rows(
        self, number: int, rows: np.ndarray, colour: bool = True, labels: bool = True, others: bool = True
    ) -> tuple[np.ndarray, Blocks]:
        """Blocks of a submap by their places in `block_index`; with `others` the rest of their chunks too, which had to
        be read for them.

        Gives the places i64 [N] read, rising, and the blocks; colours are zero and there are no labels per voxel where
        not asked for.
        """
        entry = self._entry(number)
        with reading(self._place, entry.group):
            return read_block_rows(self._place, self._root, entry, rows, colour, labels, others)

    def __len__(self) -> int:
        """How many keyframes the map holds."""
        return self.header.keyframes

    def keyframes(self) -> Iterator[KeyframeRecord]:
        """The keyframes in the order they were fused, one in memory at a time."""
        for i in range(self.header.keyframes):
            yield self.keyframe(i)

    def blocks_of(self, number: int) -> Blocks:
        """The voxels of a submap alone."""
        entry = self._entry(number)
        with reading(self._place, entry.group):
            return read_blocks(self._place, self._root, entry)

    def frames_of(self, number: int) -> list[FrameRecord]:
        """The frames of a submap alone."""
        entry = self._entry(number)
        with reading(self._place, f"{entry.group}/frames"):
            return read_frames(self._place, self._root, entry)

    def labels_per_voxel(self, number: int) -> int:
        """How many labels each voxel of a submap keeps."""
        entry = self._entry(number)
        with reading(self._place, entry.group):
            return int(self._root[f"{entry.group}/label_ids"].shape[-1])

    def keyframe(self, i: int) -> KeyframeRecord:
        """Keyframe i, counted from 0."""
        if not 0 <= i < self.header.keyframes:
            raise StoreError(
                f"keyframe {i} is not in the map {self.path}, which holds {self.header.keyframes}; they count from 0."
            )
        with reading(self._place, f"keyframe {i}"):
            return read_keyframe(self._place, self._root, i)

    def keyframe_columns(self, start: int, stop: int, names: Iterable[str] = KEYFRAME_ARRAYS) -> Columns:
        """Keyframes start … stop-1 as the map keeps them, images still compressed; all arrays or some of them."""
        with reading(self._place, f"keyframes {start} to {stop - 1}"):
            return read_columns(self._place, self._root, start, stop, names)

    def keyframe_jpeg(self, i: int) -> bytes:
        """The image of keyframe i as the JPEG file that the map holds."""
        with reading(self._place, f"keyframe {i}"):
            return read_jpeg(self._place, self._root, i)

    def keyframe_frames(self) -> np.ndarray:
        """i64 [K] frame indices of the keyframes."""
        return self._column("frame", np.int64)

    def keyframe_submaps(self) -> np.ndarray:
        """i32 [K] numbers of the submaps that the keyframes belong to."""
        return self._column("submap", np.int32)

    def trajectory(self) -> MapTrajectory:
        """Every frame of the map with its pose in the world, at the anchors as last committed."""
        for _ in range(_ATTEMPTS):
            header = self.header
            try:
                derived = self._derived_trajectory()
                return self._joined_trajectory() if derived is None else derived
            except StoreError:
                newest = read_header(self._place)
                if newest.generation == header.generation:
                    raise
                self.refresh()
        raise StoreError(f"the map {self.path} is rewritten faster than it can be read. Try again later.")

    def _joined_trajectory(self) -> MapTrajectory:
        with reading(self._place, "frames"):
            return read_trajectory(self._place, self._root, self.header.submaps)

    def _derived_trajectory(self) -> MapTrajectory | None:
        """The same, read at once from the group that a finished run leaves; None without it, or when it is damaged."""
        if self.header.trajectory is None:
            return None
        try:
            with reading(self._place, self.header.trajectory):
                return read_trajectory_group(self._place, self._root, self.header.trajectory)
        except StoreError as error:
            logger.info("%s The frames of the submaps hold the same.", error)
            return None

    def surface(self) -> Mesh | None:
        """The merged mesh as last written, in the world frame; None when none was, or when the map grew since."""
        if self.header.surface is None:
            return None
        with reading(self._place, self.header.surface):
            return read_surface_group(self._place, self._root, self.header.surface)

    def state(self) -> dict[str, dict[str, np.ndarray]]:
        """The stage states of the commit: stage -> name -> array."""
        with reading(self._place, self.header.state or "state"):
            return read_state(self._place, self._root, self.header.state)

    def _column(self, name: str, dtype: type) -> np.ndarray:
        if self.header.keyframes == 0:
            return np.zeros(0, dtype=dtype)
        with reading(self._place, "keyframes"):
            check_keyframes(self._place, self._root, self.header.keyframes)
            return read_column(self._root, name, self.header.keyframes)

    def _entry(self, number: int) -> SubmapEntry:
        entry = self.header.entry(number)
        if entry is None:
            known = [entry.number for entry in self.header.submaps]
            raise StoreError(f"submap {number} is not in the map {self.path}, which holds {known}.")
        return entry
