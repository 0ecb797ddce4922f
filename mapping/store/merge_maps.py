"""Two maps become one, side by side or joined by a known transform."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mapping.fusion.observation import check_rigid
from mapping.records import Submap
from mapping.store.copying import Contents, keyframe_columns, with_history, write_contents
from mapping.store.header import MapHeader, Progress
from mapping.store.keyframes import Columns
from mapping.store.reader import MapReader, open_map
from mapping.store.settings import StoreSettings
from streammtl.errors import StoreError


@dataclass(frozen=True)
class Merged:
    """What became of two maps. Frames of the second count on from `first_frame_of_b`."""

    header: MapHeader
    first_frame_of_b: int
    keyframes_left_out: int  # of the second, whose depth has another size

    def as_dict(self) -> dict[str, Any]:
        return {
            "submaps": len(self.header.submaps),
            "components": self.header.components,
            "keyframes": self.header.keyframes,
            "first_frame_of_b": self.first_frame_of_b,
            "keyframes_left_out": self.keyframes_left_out,
        }


def merge_maps(
    a: Path | str,
    b: Path | str,
    out: Path | str,
    T_a_b: np.ndarray | None = None,
    settings: StoreSettings | None = None,
) -> Merged:
    """Writes a map with the submaps and keyframes of both; both stay as they are.

    Without `T_a_b`, f64 [4,4] rigid, which takes points of b's world to a's, nothing says how the two lie to each
    other: their components stay apart. With it the first component of b joins the first of a.
    Raises: StoreError when voxel size, truncation, scale or labels differ, and for a damaged map; GeometryError for a
    transform that is not rigid.
    """
    one, two = open_map(a), open_map(b)
    _check_alike(one, two)
    if T_a_b is not None:
        check_rigid(T_a_b, "T_a_b")
    last = max([int(frame) for frame in one.trajectory().frame[-1:]], default=-1)
    shift = _Shift(
        submaps=max((entry.number for entry in one.header.submaps), default=-1) + 1,
        frames=max(one.header.progress.next_frame, last + 1),
        components=_components(one, two, joined=T_a_b is not None),
        T=np.eye(4) if T_a_b is None else np.asarray(T_a_b, np.float64),
    )
    left_out = 0 if _same_images(one, two) else len(two)
    contents = Contents(
        _header(one, two, shift),
        _submaps(one, two, shift),
        _keyframes(one, two, shift, bool(left_out)),
    )
    return Merged(write_contents(out, contents, settings), shift.frames, left_out)


@dataclass(frozen=True)
class _Shift:
    """How numbers of the second map count on from the first."""

    submaps: int
    frames: int
    components: dict[int, int]
    T: np.ndarray

    def submap(self, submap: Submap) -> Submap:
        frames = [replace(frame, index=frame.index + self.frames) for frame in submap.frames]
        return replace(
            submap,
            number=submap.number + self.submaps,
            component=self.components[submap.component],
            T_world_submap=self.T @ submap.T_world_submap,
            frames=frames,
        )

    def columns(self, columns: Columns) -> Columns:
        frame, submap = columns["frame"] + self.frames, columns["submap"] + np.int32(self.submaps)
        return {**columns, "frame": frame, "submap": submap}


def _check_alike(one: MapReader, two: MapReader) -> None:
    a, b = one.header, two.header
    for what in ("voxel_size_m", "truncation_m"):
        if getattr(a, what) != getattr(b, what):
            raise StoreError(
                f"{one.path} has {what} {getattr(a, what)}, {two.path} {getattr(b, what)}; voxels of two sizes cannot "
                "be in one map. Map one recording again with the other's fusion settings."
            )
    if a.scale.status != b.scale.status:
        raise StoreError(
            f"{one.path} is {a.scale.status}, {two.path} {b.scale.status}; one unit cannot hold for both. Map the one "
            "without scale again with sensor depth, known poses or a model that knows metres."
        )
    if (a.label_space and a.label_space.name) != (b.label_space and b.label_space.name) or (
        a.label_space and a.label_space.version
    ) != (b.label_space and b.label_space.version):
        names = [f"{s.name}, version {s.version}" if s else "no labels" for s in (a.label_space, b.label_space)]
        raise StoreError(
            f"{one.path} has {names[0]}, {two.path} {names[1]}; ids of two label spaces cannot be in one map. Map one "
            "recording again with the other's model."
        )


def _components(one: MapReader, two: MapReader, joined: bool) -> dict[int, int]:
    """New numbers for the components of the second map."""
    of_a = sorted({entry.component for entry in one.header.submaps})
    of_b = sorted({entry.component for entry in two.header.submaps})
    following = max(of_a, default=-1) + 1
    if joined and of_a and of_b:
        return {of_b[0]: of_a[0], **{old: following + i for i, old in enumerate(of_b[1:])}}
    return {old: following + i for i, old in enumerate(of_b)}


def _same_images(one: MapReader, two: MapReader) -> bool:
    """Whether depth of both has one size, as the keyframes of one map must."""
    if not len(one) or not len(two):
        return True
    a, b = (reader.keyframe_columns(0, 1, ("depth_m",))["depth_m"].shape for reader in (one, two))
    return a == b


def _header(one: MapReader, two: MapReader, shift: _Shift) -> MapHeader:
    a, b = one.header.progress, two.header.progress
    statuses = {status: a.frames_by_status.get(status, 0) for status in {**a.frames_by_status, **b.frames_by_status}}
    progress = Progress(
        next_frame=shift.frames + b.next_frame,
        frames_by_status={status: n + b.frames_by_status.get(status, 0) for status, n in sorted(statuses.items())},
        dropped=a.dropped + b.dropped,
        elapsed_s=a.elapsed_s + b.elapsed_s,
        complete=True,  # of two recordings none can be gone on with
    )
    sources = [reader.header.provenance.model_dump(mode="json") for reader in (one, two)]
    history = {"merged_from": sources, "first_frame_of_b": shift.frames, "T_a_b": shift.T.tolist()}
    return with_history(one.header.model_copy(update={"progress": progress}), **history)


def _submaps(one: MapReader, two: MapReader, shift: _Shift) -> Iterator[Submap]:
    yield from (replace(submap, closed=True) for submap in one.submaps())
    yield from (replace(shift.submap(submap), closed=True) for submap in two.submaps())


def _keyframes(one: MapReader, two: MapReader, shift: _Shift, without_b: bool) -> Iterator[Columns]:
    yield from keyframe_columns(one, np.arange(len(one)))
    if not without_b:
        yield from map(shift.columns, keyframe_columns(two, np.arange(len(two))))
