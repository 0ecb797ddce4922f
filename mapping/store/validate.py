"""Checks a map against the published schema and against itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from zarr.storage import LocalStore

from mapping.store import keyframes as keyframe_arrays
from mapping.store.arrays import array_folder, chunk_files
from mapping.store.contract import group_problems, published_schema
from mapping.store.header import MapHeader, SubmapEntry
from mapping.store.labels import GROUP as LABELS_GROUP
from mapping.store.root import ATTRIBUTE, pointer_problems, read_document
from streammtl.errors import StoreError

# what a damaged file raises from Zarr and its codecs
_DAMAGE = (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError)


def validate_map(path: Path | str) -> list[str]:
    """Everything that is wrong with a map, one line each; empty when it is sound. Voxels and images are not decoded.

    Raises: StoreError when there is no map at `path` at all; VersionError when it is newer than this software.
    """
    path = Path(path)
    attribute = read_document(path)["attributes"][ATTRIBUTE]
    problems = [
        f"{ATTRIBUTE}.{'.'.join(map(str, error.absolute_path))}: {error.message}"
        for error in Draft202012Validator(published_schema()).iter_errors(attribute)
    ]
    header = _parsed(attribute, problems)
    if header is None or pointer_problems(header):
        return problems
    try:
        root = zarr.open_group(LocalStore(path, read_only=True), mode="r")
        problems += _group_problems(path, root, header)
    except _DAMAGE as error:
        problems.append(f"cannot be read with Zarr: {error}")
    return problems


def _parsed(attribute: dict[str, Any], problems: list[str]) -> MapHeader | None:
    try:
        header = MapHeader.model_validate(attribute)
    except ValidationError as error:
        problems += [f"{ATTRIBUTE}.{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        return None
    problems += pointer_problems(header)
    return header


def _group_problems(path: Path, root: zarr.Group, header: MapHeader) -> Iterator[str]:
    for entry in header.submaps:
        yield from _submap_problems(path, root, entry)
    if header.keyframes:
        yield from _keyframe_problems(path, root, header)
    if header.label_space is not None:
        yield from _checked(path, root, LABELS_GROUP, "labels", {"L": len(header.label_space.ids)})
    for kind in ("trajectory", "surface"):
        if getattr(header, kind) is not None:
            yield from _checked(path, root, getattr(header, kind), kind, {})
    if header.state is not None:
        yield from _state_problems(path, root, header.state)


def _submap_problems(path: Path, root: zarr.Group, entry: SubmapEntry) -> Iterator[str]:
    found = [*_checked(path, root, entry.group, "submap", {"M": entry.blocks})]
    found += _checked(path, root, f"{entry.group}/frames", "frames", {"F": entry.frames})
    yield from found
    if not found and entry.blocks:
        try:
            index = np.asarray(root[f"{entry.group}/block_index"][:])
        except _DAMAGE as error:
            yield f"{entry.group}/block_index cannot be read: {error}"
            return
        if len(np.unique(index, axis=0)) != len(index):
            yield f"{entry.group}/block_index names a block twice"


def _checked(path: Path, root: zarr.Group, name: str, kind: str, sizes: dict[str, int]) -> Iterator[str]:
    """Problems of one group: its metadata first, then, where that is sound, files that are gone."""
    group = root.get(name)
    if not isinstance(group, zarr.Group):
        yield f"{name} is named by the root, but the group is gone"
        return
    found = group_problems(group, kind, sizes)
    yield from found
    if not found:
        for array in published_schema()["x-groups"][kind]:
            yield from _missing_files(path, group[array])


def _missing_files(path: Path, array: zarr.Array) -> Iterator[str]:
    for file in chunk_files(array):
        if not (array_folder(path, array) / file).is_file():
            yield f"{array.path}/{file} is gone"


def _keyframe_problems(path: Path, root: zarr.Group, header: MapHeader) -> Iterator[str]:
    try:
        keyframe_arrays.check_keyframes(path, root, header.keyframes)
        yield from (f"{file} is gone" for file in keyframe_arrays.missing_files(path, root, 0, header.keyframes))
        submaps = keyframe_arrays.read_column(path, root, "submap", header.keyframes)
        frames = keyframe_arrays.read_column(path, root, "frame", header.keyframes)
    except StoreError as error:
        yield str(error)
        return
    except _DAMAGE as error:
        yield f"keyframes cannot be read: {error}"
        return
    unknown = set(submaps.tolist()) - {entry.number for entry in header.submaps}
    if unknown:
        yield f"keyframes name submaps {sorted(unknown)}, which the root does not"
    if len(np.unique(frames)) != len(frames):
        yield "a frame is a keyframe twice"


def _state_problems(path: Path, root: zarr.Group, name: str) -> Iterator[str]:
    group = root.get(name)
    if not isinstance(group, zarr.Group):
        yield f"{name} is named by the root, but the group is gone"
        return
    for _, stage in group.groups():
        for _, array in stage.arrays():
            yield from _missing_files(path, array)
