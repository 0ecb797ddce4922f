"""Reads a map: only what its root names, and as little at a time as was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.storage import LocalStore

from mapping.records import KeyframeRecord, Submap
from mapping.store.header import MapHeader, SubmapEntry
from mapping.store.keyframes import check_keyframes, read_column, read_jpeg, read_keyframe
from mapping.store.root import ROOT, parse_header, read_document
from mapping.store.state import read_state
from mapping.store.submaps import read_submap
from mapping.store.summary import summarise
from mapping.store.surface import read_surface_group
from mapping.store.trajectory import MapTrajectory, read_trajectory
from streammtl.errors import StoreError

if TYPE_CHECKING:
    from mapping.surface.mesh import Mesh

_ATTEMPTS = 5


def is_map(path: Path | str) -> bool:
    """Whether a map was begun at `path`, sound or not."""
    return (Path(path) / ROOT).is_file()


def open_map(path: Path | str) -> MapReader:
    """Opens a map for reading; a writer may be at work on it meanwhile.

    Raises: StoreError when there is no map at `path` or its root is damaged; VersionError when it is newer than this
    software.
    """
    return MapReader(Path(path))


class MapReader:
    """A map as of the last commit at the time of opening; `refresh` moves on to the newest.

    Methods raise StoreError when what the root names is damaged or gone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refresh()

    def refresh(self) -> None:
        """Takes over the newest commit."""
        self.header: MapHeader = parse_header(self.path, read_document(self.path))
        with self._reporting("root"):
            self._root = zarr.open_group(LocalStore(self.path, read_only=True), mode="r")

    def summary(self) -> dict[str, Any]:
        """What is in the map, JSON-able, without loading voxels or images."""
        return summarise(self.path, self.header, self.trajectory())

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
                with self._reporting(entry.group):
                    return read_submap(self.path, self._root, entry)
            except StoreError:
                newest = parse_header(self.path, read_document(self.path)).entry(number)
                if newest is None or newest.group == entry.group:
                    raise
                entry = newest
        raise StoreError(f"submap {number} of {self.path} is rewritten faster than it can be read. Try again later.")

    def __len__(self) -> int:
        """How many keyframes the map holds."""
        return self.header.keyframes

    def keyframes(self) -> Iterator[KeyframeRecord]:
        """The keyframes in the order they were fused, one in memory at a time."""
        for i in range(self.header.keyframes):
            yield self.keyframe(i)

    def keyframe(self, i: int) -> KeyframeRecord:
        """Keyframe i, counted from 0."""
        if not 0 <= i < self.header.keyframes:
            raise StoreError(
                f"keyframe {i} is not in the map {self.path}, which holds {self.header.keyframes}; they count from 0."
            )
        with self._reporting(f"keyframe {i}"):
            return read_keyframe(self.path, self._root, i)

    def keyframe_jpeg(self, i: int) -> bytes:
        """The image of keyframe i as the JPEG file that the map holds."""
        with self._reporting(f"keyframe {i}"):
            return read_jpeg(self.path, self._root, i)

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
                with self._reporting("frames"):
                    return read_trajectory(self.path, self._root, header.submaps)
            except StoreError:
                newest = parse_header(self.path, read_document(self.path))
                if newest.generation == header.generation:
                    raise
                self.refresh()
        raise StoreError(f"the map {self.path} is rewritten faster than it can be read. Try again later.")

    def surface(self) -> Mesh | None:
        """The merged mesh as last written, in the world frame; None when none was, or when the map grew since."""
        if self.header.surface is None:
            return None
        with self._reporting(self.header.surface):
            return read_surface_group(self.path, self._root, self.header.surface)

    def state(self) -> dict[str, dict[str, np.ndarray]]:
        """The stage states of the commit: stage -> name -> array."""
        with self._reporting(self.header.state or "state"):
            return read_state(self.path, self._root, self.header.state)

    def _column(self, name: str, dtype: type) -> np.ndarray:
        if self.header.keyframes == 0:
            return np.zeros(0, dtype=dtype)
        with self._reporting("keyframes"):
            check_keyframes(self.path, self._root, self.header.keyframes)
            return read_column(self.path, self._root, name, self.header.keyframes)

    def _entry(self, number: int) -> SubmapEntry:
        entry = self.header.entry(number)
        if entry is None:
            known = [entry.number for entry in self.header.submaps]
            raise StoreError(f"submap {number} is not in the map {self.path}, which holds {known}.")
        return entry

    @contextmanager
    def _reporting(self, what: str) -> Iterator[None]:
        """A damaged file can raise nearly anything from Zarr and its codecs."""
        try:
            yield
        except StoreError:
            raise
        except (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError) as error:
            raise StoreError(
                f"the map {self.path} is damaged: {what} cannot be read ({error}). `streammtl info` lists what "
                "is wrong; restore it "
                "from a copy, or map again."
            ) from error
