"""The one writer of a map: commits that a crash can only miss, never tear."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from mapping.records import KeyframeRecord, Submap
from mapping.store import keyframes as keyframe_arrays
from mapping.store.commit import Commit
from mapping.store.damage import first_line
from mapping.store.header import LAYOUT_VERSION, SCHEMA, MapHeader, Progress
from mapping.store.litter import named_groups, remove_group, remove_unnamed
from mapping.store.lock import LOCK
from mapping.store.place import ROOT, Lock, Place, place_of
from mapping.store.root import (
    keep_spare,
    new_document,
    parse_header,
    read_document,
    read_header,
    replace_document,
    with_header,
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
    killed at any moment leaves a map that opens at the last commit that finished.
    Raises: StoreError from every method when the disk is full or cannot be written; the last commit stays valid.
    """

    def __init__(self, place: Place, lock: Lock, document: dict[str, Any], settings: StoreSettings) -> None:
        self.path = place.path
        self._place = place
        self._lock = lock
        self._document = document
        self._settings = settings
        self._header = parse_header(place, document)
        self._closed = False

    @classmethod
    def create(cls, path: Path | str, header: MapHeader, settings: StoreSettings | None = None) -> MapWriter:
        """Starts an empty map. Raises StoreError when something is already at `path` or it cannot be written."""
        place, settings = place_of(path), settings or StoreSettings()
        with _reporting(place):
            _check_free(place)
            place.prepare(settings.durable)
            lock = place.lock()
            try:
                _check_free(place)  # again: another process may have made its map between the first look and the lock
                document = new_document(_empty_header(header))
                replace_document(place, document, settings.durable)
                writer = cls(place, lock, document, settings)
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
        place, settings = place_of(path), settings or StoreSettings()
        read_document(place)
        with _reporting(place):
            lock = place.lock()
            try:
                writer = cls(place, lock, read_document(place), settings)
                remove_unnamed(place, writer.header)
                keyframe_arrays.drop_uncommitted(place, _root_group(place), writer.header.keyframes)
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
        return read_state(self._place, _root_group(self._place), self._header.state)

    def commit(
        self,
        *,
        submaps: Iterable[Submap] = (),
        keyframes: Sequence[KeyframeRecord] = (),
        copied_keyframes: Iterable[keyframe_arrays.Columns] = (),
        state: StageStates | None = None,
        header: MapHeader | None = None,
        anchors: Mapping[int, np.ndarray] | None = None,
        components: Mapping[int, int] | None = None,
    ) -> None:
        """Adds new or changed submaps and new keyframes, replaces states and header: all or nothing.

        Submaps are taken from the iterable one by one, so that not all of them need memory at once. `copied_keyframes`
        are arrays of another map's keyframes, kept as they are.
        `state` None keeps the committed states, `header` None the committed header; pointers in `header` are ignored.
        `anchors` moves submaps (number -> T_world_submap f64 [4,4]) without touching their voxels, `components` (number
        -> component) says which were found to be connected. The derived trajectory and surface are dropped, since they
        no longer fit.
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
            commit.move(anchors or {}, components or {})
            commit.append_keyframes(keyframes)
            for columns in copied_keyframes:
                commit.append_columns(columns)
            commit.write_labels(header.label_space)
            if state is not None:
                commit.write_state(state)

    def write_trajectory(self) -> None:
        """Writes the derived trajectory group: T_world_cam of every frame at the committed anchors."""
        with self._committing(self._header) as commit:
            root, name = commit.derived_group("trajectory")
            write_trajectory_group(root, name, read_trajectory(self._place, root, self._header.submaps))

    def write_surface(self, pieces: Iterable[Mesh]) -> None:
        """Writes the derived surface group: the merged mesh in the world frame, in pieces whose faces count vertices
        over all of them."""
        with self._committing(self._header) as commit:
            root, name = commit.derived_group("surface")
            write_surface_group(root, name, pieces)

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
        with _reporting(self._place):
            commit = Commit(self._place, before, self._settings)
            try:
                yield commit
                if self._settings.durable:
                    commit.press()
                self._swap(header, commit.pointers)
            except BaseException:
                # The interruption may have come after the rename: what is on the disk decides.
                self._header = read_header(self._place)
                commit.take_back(self._header)
                raise
        for name in sorted(named_groups(before) - named_groups(self._header)):
            remove_group(self._place, name)

    def _swap(self, header: MapHeader, pointers: dict[str, Any]) -> None:
        created = self._header.provenance.created
        provenance = header.provenance.model_copy(update={"created": created, "updated": _now()})
        fixed = {"provenance": provenance, "version": LAYOUT_VERSION, "schema_name": SCHEMA}
        document = with_header(self._document, header.model_copy(update=pointers | fixed))
        parsed = parse_header(self._place, document)
        replace_document(self._place, document, self._settings.durable)
        self._document, self._header = document, parsed
        keep_spare(self._place, document)  # before the groups that the root named until now are deleted


def _empty_header(header: MapHeader) -> MapHeader:
    provenance = header.provenance.model_copy(
        update={"created": header.provenance.created or _now(), "updated": _now()}
    )
    pointers = {"generation": 0, "submaps": (), "keyframes": 0, "state": None, "trajectory": None, "surface": None}
    fixed = {"provenance": provenance, "version": LAYOUT_VERSION, "schema_name": SCHEMA, "label_space": None}
    return header.model_copy(update=pointers | fixed)


def _root_group(place: Place) -> zarr.Group:
    return zarr.open_group(place.zarr_store(read_only=False), mode="r+")


def _check_free(place: Place) -> None:
    """An empty folder, or one where a writer died before its first root, may become a map."""
    exists = place.what_is_wrong() is None
    blocked = place.path.exists() and not exists
    if blocked or (exists and not set(place.children()) <= {LOCK, f"{ROOT}.partial"}):
        raise StoreError(
            f"{place} is already there and is left as it is. Choose another path, or go on with that map by --resume."
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _reporting(place: Place) -> Iterator[None]:
    """Turns the system's word on files and disks into ours."""
    try:
        yield
    except StoreError:
        raise
    except (OSError, *place.errors) as error:
        if getattr(error, "errno", None) in _DISK_FULL:
            raise StoreError(
                f"the disk is full: the map {place} could not be extended. Its last commit is intact; free some "
                "room and go on with --resume."
            ) from error
        why = getattr(error, "strerror", None) or first_line(error)
        raise StoreError(
            f"the map {place} cannot be written: {why}. Choose a folder that you may write to or a URL that can be "
            "reached; its last commit, if there was one, is intact."
        ) from error
