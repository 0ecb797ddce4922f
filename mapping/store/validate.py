"""Checks a map against the published schema and against itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zarr
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from mapping.store import keyframes as keyframe_arrays
from mapping.store.arrays import missing_chunks
from mapping.store.contract import group_problems, members_of, published_schema
from mapping.store.damage import DAMAGE, first_line
from mapping.store.header import MapHeader, SubmapEntry
from mapping.store.labels import GROUP as LABELS_GROUP
from mapping.store.place import Place, place_of
from mapping.store.root import ATTRIBUTE, checksum_problems, pointer_problems, read_document
from streammtl.errors import StoreError


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a map, and the part of it that is lost thereby."""

    part: str  # root, voxels or frames of a submap, keyframes, keyframe, labels, trajectory, surface, state
    number: int | None  # of the submap or keyframe
    text: str

    def __str__(self) -> str:
        return self.text


def validate_map(path: Path | str) -> list[str]:
    """Everything that is wrong with a map, one line each; empty when it is sound. Nothing is decoded: every
    description is read, and every file is there; `verify_map` looks inside.

    Raises: StoreError when there is no map at `path` at all; VersionError when it is newer than this software.
    """
    place = place_of(path)
    document = read_document(place)
    return [*map(str, root_problems(document)), *map(str, content_problems(place, document))]


def root_problems(document: dict[str, Any]) -> Iterator[Problem]:
    """Problems of the root alone."""
    attribute = document["attributes"][ATTRIBUTE]
    for error in Draft202012Validator(published_schema()).iter_errors(attribute):
        yield Problem("root", None, f"{ATTRIBUTE}.{'.'.join(map(str, error.absolute_path))}: {error.message}")
    for text in checksum_problems(attribute):
        yield Problem("root", None, text)
    try:
        header = MapHeader.model_validate(attribute)
    except ValidationError as error:
        for item in error.errors():
            yield Problem("root", None, f"{ATTRIBUTE}.{'.'.join(map(str, item['loc']))}: {item['msg']}")
        return
    for text in pointer_problems(header):
        yield Problem("root", None, text)


def content_problems(place: Place, document: dict[str, Any]) -> Iterator[Problem]:
    """Problems of what the root names, as far as the root makes sense."""
    try:
        header = MapHeader.model_validate(document["attributes"][ATTRIBUTE])
    except ValidationError:
        return
    if pointer_problems(header):
        return
    try:
        root = zarr.open_group(place.zarr_store(), mode="r")
    except (*DAMAGE, *place.errors) as error:
        yield Problem("root", None, f"cannot be read with Zarr: {first_line(error)}")
        return
    yield from _group_problems(place, root, header)


def _group_problems(place: Place, root: zarr.Group, header: MapHeader) -> Iterator[Problem]:
    for entry in header.submaps:
        yield from _submap_problems(place, root, entry)
    if header.keyframes:
        yield from _keyframe_problems(place, root, header)
    if header.label_space is not None:
        sizes = {"L": len(header.label_space.ids)}
        yield from (Problem("labels", None, text) for text in _checked(place, root, LABELS_GROUP, "labels", sizes))
    for kind in ("trajectory", "surface"):
        if getattr(header, kind) is not None:
            found = _checked(place, root, getattr(header, kind), kind, {})
            yield from (Problem(kind, None, text) for text in found)
    if header.state is not None:
        yield from (Problem("state", None, text) for text in _state_problems(place, root, header.state))


def _submap_problems(place: Place, root: zarr.Group, entry: SubmapEntry) -> Iterator[Problem]:
    for text in _checked(place, root, f"{entry.group}/frames", "frames", {"F": entry.frames}):
        yield Problem("frames", entry.number, text)
    for text in _checked(place, root, entry.group, "submap", {"M": entry.blocks}):
        yield Problem("voxels", entry.number, text)


def _checked(place: Place, root: zarr.Group, name: str, kind: str, sizes: dict[str, int]) -> Iterator[str]:
    """Problems of one group: its metadata first, then, where that is sound, files that are gone."""
    group = _group(place, root, name)
    if isinstance(group, str):
        yield group
        return
    members = members_of(group, kind)
    found = group_problems(members, kind, sizes)
    yield from found
    for array in members.values() if not found else ():
        yield from (f"{file} is gone" for file in missing_chunks(place, array))


def _group(place: Place, root: zarr.Group, name: str) -> zarr.Group | str:
    """A group, or what is wrong with it."""
    try:
        group = root.get(name)
    except (*DAMAGE, *place.errors) as error:
        return f"{name} is damaged: {first_line(error)}"
    return group if isinstance(group, zarr.Group) else f"{name} is named by the root, but the group is gone"


def _keyframe_problems(place: Place, root: zarr.Group, header: MapHeader) -> Iterator[Problem]:
    count = header.keyframes
    try:
        keyframe_arrays.check_keyframes(place, root, count)
    except StoreError as error:
        yield Problem("keyframes", None, str(error))
        return
    for i, file in keyframe_arrays.missing_files(place, root, 0, count):
        yield Problem("keyframe", i, f"{file} is gone")


def _state_problems(place: Place, root: zarr.Group, name: str) -> Iterator[str]:
    group = _group(place, root, name)
    if isinstance(group, str):
        yield group
        return
    try:
        for _, stage in group.groups():
            for _, array in stage.arrays():
                yield from (f"{file} is gone" for file in missing_chunks(place, array))
    except (*DAMAGE, *place.errors) as error:
        yield f"{name} is damaged: {first_line(error)}"
