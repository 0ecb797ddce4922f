"""The one writer of a map: commits that a crash can only miss, never tear."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.storage import LocalStore

from mapping.records import KeyframeRecord, Submap
from mapping.store import keyframes as keyframe_arrays
from mapping.store.commit import Commit
from mapping.store.header import LAYOUT_VERSION, SCHEMA, MapHeader, Progress
from mapping.store.litter import named_groups, remove_group, remove_unnamed
from mapping.store.lock import LOCK, WriterLock
from mapping.store.root import (
    ATTRIBUTE,
    ROOT_PART,
    new_document,
    parse_header,
    read_document,
    replace_document,
    sync_path,
)
from mapping.store.settings import StoreSettings
from mapping.store.state import StageStates, read_state
from mapping.store.surface import write_surface_group
from mapping.store.trajectory import read_trajectory, write_trajectory_group
from streammtl.errors import StoreError

if TYPE_CHECKING:
    from mapping.surface.mesh import Mesh

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class MapWriter:
    """Writes one map. Use `create` or `resume`, then `commit` as often as wanted, then `close` (or a with block).

    A commit writes new groups and whole new chunks, then replaces the root's zarr.json by one rename. A process
    killed at
    any moment leaves a map that opens at the last commit that finished.
    Raises: StoreError from every method when the disk is full or cannot be written; the last commit stays valid.
    """

    def __init__(self, path: Path, lock: WriterLock, document: dict[str, Any], settings: StoreSettings) -> None:
        self.path = path
        self._lock = lock
        self._document = document
        self._settings = settings
        self._header = parse_header(path, document)
        self._closed = False

    @classmethod
    def create(cls, path: Path | str, header: MapHeader, settings: StoreSettings | None = None) -> MapWriter:
        """Starts an empty map. Raises StoreError when something is already at `path` or it cannot be written."""
        path, settings = Path(path).absolute(), settings or StoreSettings()
        with _reporting(path):
            _check_free(path)
            path.mkdir(parents=True, exist_ok=True)
            lock = WriterLock(path)
            try:
                _check_free(path)  # again: another process may have made its map between the first look and the lock
                document = new_document(_empty_header(header))
                replace_document(path, document, settings.durable)
                if settings.durable:
                    sync_path(path.parent)
                writer = cls(path, lock, document, settings)
                if header.label_space is not None:
                    writer.commit(header=header)
                return writer
            except BaseException:
                lock.release()
                raise

    @classmethod
    def resume(cls, path: Path | str, settings: StoreSettings | None = None) -> MapWriter:
        """Opens a map to go on after its last commit and removes what an unfinished one left.

        Raises: StoreError when there is no sound map at `path` or another process writes it; VersionError for a newer
        map.
        """
        path, settings = Path(path).absolute(), settings or StoreSettings()
        read_document(path)
        with _reporting(path):
            lock = WriterLock(path)
            try:
                writer = cls(path, lock, read_document(path), settings)
                remove_unnamed(path, writer.header)
                keyframe_arrays.drop_uncommitted(path, _root_group(path), writer.header.keyframes)
                return writer
            except BaseException:
                lock.release()
                raise

    @property
    def header(self) -> MapHeader:
        """The header as last committed."""
        return self._header

    @property
    def progress(self) -> Progress:
        return self._header.progress

    @property
    def state(self) -> dict[str, dict[str, np.ndarray]]:
        """The stage states of the last commit, read from the disk: stage -> name -> array."""
        return read_state(self.path, _root_group(self.path), self._header.state)

    def commit(
        self,
        *,
        submaps: Sequence[Submap] = (),
        keyframes: Sequence[KeyframeRecord] = (),
        state: StageStates | None = None,
        header: MapHeader | None = None,
        anchors: Mapping[int, np.ndarray] | None = None,
    ) -> None:
        """Adds new or changed submaps and new keyframes, replaces states and header: all or nothing.

        `state` None keeps the committed states, `header` None the committed header; pointers in `header` are ignored.
        `anchors` moves submaps (number -> T_world_submap f64 [4,4]) without touching their voxels. The derived
        trajectory
        and surface are dropped, since they no longer fit.
        Raises: StoreError, also for a closed submap that comes again and for a changed label space or voxel size.
        """
        header = self._header if header is None else header
        for name in ("voxel_size_m", "truncation_m"):
            if getattr(header, name) != getattr(self._header, name):
                raise StoreError(
                    f"this map has {name} {getattr(self._header, name)}, now {getattr(header, name)} came. "
                    "Go on with the map's own settings, or start a new map."
                )
        with self._committing(header) as commit:
            commit.write_submaps(submaps)
            commit.move(anchors or {})
            commit.append_keyframes(keyframes)
            commit.write_labels(header.label_space)
            if state is not None:
                commit.write_state(state)

    def write_trajectory(self) -> None:
        """Writes the derived trajectory group: T_world_cam of every frame at the committed anchors."""
        with self._committing(self._header) as commit:
            root, name = commit.derived_group("trajectory")
            write_trajectory_group(root, name, read_trajectory(self.path, root, self._header.submaps))

    def write_surface(self, mesh: Mesh) -> None:
        """Writes the derived surface group: the merged mesh in the world frame."""
        with self._committing(self._header) as commit:
            root, name = commit.derived_group("surface")
            write_surface_group(root, name, mesh)

    def close(self) -> None:
        """Frees the lock; a second call does nothing."""
        self._closed = True
        self._lock.release()

    def __enter__(self) -> MapWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _committing(self, header: MapHeader) -> Iterator[Commit]:
        if self._closed:
            raise StoreError(f"the map {self.path} is closed for this writer. Open it again with MapWriter.resume.")
        before = self._header
        with _reporting(self.path):
            commit = Commit(self.path, before, self._settings)
            try:
                yield commit
                if self._settings.durable:
                    commit.press()
                self._swap(header, commit.pointers)
            except BaseException:
                # The interruption may have come after the rename: what is on the disk decides.
                self._header = parse_header(self.path, read_document(self.path))
                commit.take_back(self._header)
                raise
        for name in sorted(named_groups(before) - named_groups(self._header)):
            remove_group(self.path, name)

    def _swap(self, header: MapHeader, pointers: dict[str, Any]) -> None:
        created = self._header.provenance.created
        provenance = header.provenance.model_copy(update={"created": created, "updated": _now()})
        fixed = {"provenance": provenance, "version": LAYOUT_VERSION, "schema_name": SCHEMA}
        header = header.model_copy(update=pointers | fixed)
        attributes = self._document["attributes"] | {ATTRIBUTE: header.to_attributes()}
        document = self._document | {"attributes": attributes}
        parsed = parse_header(self.path, document)
        replace_document(self.path, document, self._settings.durable)
        self._document, self._header = document, parsed


def _empty_header(header: MapHeader) -> MapHeader:
    provenance = header.provenance.model_copy(
        update={"created": header.provenance.created or _now(), "updated": _now()}
    )
    pointers = {"generation": 0, "submaps": (), "keyframes": 0, "state": None, "trajectory": None, "surface": None}
    fixed = {"provenance": provenance, "version": LAYOUT_VERSION, "schema_name": SCHEMA, "label_space": None}
    return header.model_copy(update=pointers | fixed)


def _root_group(path: Path) -> zarr.Group:
    return zarr.open_group(LocalStore(path), mode="r+")


def _check_free(path: Path) -> None:
    """An empty folder, or one where a writer died before its first root, may become a map."""
    if path.exists() and not (path.is_dir() and {child.name for child in path.iterdir()} <= {LOCK, ROOT_PART}):
        raise StoreError(
            f"{path} is already there and is left as it is. Choose another path, or go on with that map by --resume."
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _reporting(path: Path) -> Iterator[None]:
    """Turns the system's word on files and disks into ours."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise StoreError(
                f"the disk is full: the map {path} could not be extended. Its last commit is intact; free some "
                "room and go on with --resume."
            ) from error
        raise StoreError(
            f"the map {path} cannot be written: {error.strerror or error}. Choose a folder that you may write to."
        ) from error
