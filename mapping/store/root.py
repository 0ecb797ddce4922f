"""The root's zarr.json: read with suspicion, replaced by one rename."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mapping.store.header import LAYOUT_VERSION, MapHeader
from streammtl.errors import StoreError, VersionError

ROOT = "zarr.json"
ROOT_PART = "zarr.root.partial"
ATTRIBUTE = "streammtl"
SUBMAP_GROUP = re.compile(r"submaps/(\d{6,9})\.(\d{1,9})")
NUMBERED_GROUP = re.compile(r"(state|trajectory|surface)/(\d{1,9})")


def read_document(path: Path) -> dict[str, Any]:
    """The root's zarr.json as parsed JSON, checked to be a map's.

    Raises: StoreError when there is no map at `path` or its root is damaged; VersionError when it is newer than this
    software.
    """
    if not path.exists():
        raise StoreError(
            f"there is no map at {path}: the path does not exist. Give the folder that `streammtl map --out` wrote."
        )
    if not path.is_dir():
        raise StoreError(
            f"{path} is a file, not a map; a map is a folder (a Zarr group). Give the folder that `streammtl "
            "map --out` wrote."
        )
    try:
        document = json.loads((path / ROOT).read_bytes())
    except FileNotFoundError:
        raise StoreError(
            f"{path} is not a map: it holds no {ROOT}. Give the folder that `streammtl map --out` wrote."
        ) from None
    except (ValueError, RecursionError) as error:
        raise StoreError(
            f"the root of the map {path} is damaged: {ROOT} is not JSON ({error}). Restore the file, or map again."
        ) from None
    except OSError as error:
        raise StoreError(
            f"the map {path} cannot be read: {error.strerror}. Check the folder's permissions and the disk."
        ) from error
    attributes = document.get("attributes") if isinstance(document, dict) else None
    if not isinstance(attributes, dict) or not isinstance(attributes.get(ATTRIBUTE), dict):
        raise StoreError(
            f"{path} is not a map of ours: its {ROOT} has no '{ATTRIBUTE}' attribute. Give the folder that "
            "`streammtl map --out` wrote."
        )
    check_version(path, attributes[ATTRIBUTE])
    return document


def check_version(path: Path, attribute: dict[str, Any]) -> None:
    version = attribute.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise StoreError(
            f"the root of the map {path} is damaged: its version is {version!r}, expected a whole number from 1 on."
        )
    if version > LAYOUT_VERSION:
        raise VersionError(
            f"the map {path} has layout version {version}; this software reads up to version {LAYOUT_VERSION}. "
            "Install a newer streammtl to open it."
        )


def parse_header(path: Path, document: dict[str, Any]) -> MapHeader:
    """The header of a root document. Raises StoreError naming the first field that is wrong."""
    try:
        header = MapHeader.model_validate(document["attributes"][ATTRIBUTE])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "root"
        raise StoreError(
            f"the root of the map {path} is damaged: {where}: {first['msg']}. Restore the file, or map again."
        ) from None
    for problem in pointer_problems(header):
        raise StoreError(f"the root of the map {path} is damaged: {problem}. Restore the file, or map again.")
    return header


def pointer_problems(header: MapHeader) -> list[str]:
    """What is wrong with the group names of a header; a name can lead nowhere outside the map."""
    problems = []
    numbers = set()
    for entry in header.submaps:
        match = SUBMAP_GROUP.fullmatch(entry.group)
        if match is None or int(match[1]) != entry.number:
            problems.append(
                f"submap {entry.number} names the group {entry.group!r}, expected submaps/{entry.number:06d}.GENERATION"
            )
        if entry.number in numbers:
            problems.append(f"submap {entry.number} is named twice")
        numbers.add(entry.number)
    for kind in ("state", "trajectory", "surface"):
        name = getattr(header, kind)
        match = NUMBERED_GROUP.fullmatch(name) if name is not None else None
        if name is not None and (match is None or match[1] != kind):
            problems.append(f"{kind} names the group {name!r}, expected {kind}/GENERATION")
    return problems


def replace_document(path: Path, document: dict[str, Any], durable: bool) -> None:
    """Swaps the root's zarr.json in one rename; with `durable` the new one is on the disk before it takes effect."""
    part = path / ROOT_PART
    with part.open("w", encoding="utf-8") as file:
        json.dump(document, file, allow_nan=False, separators=(",", ":"))
        file.flush()
        if durable:
            os.fsync(file.fileno())
    part.replace(path / ROOT)
    if durable:
        sync_path(path)


def sync_path(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def new_document(header: MapHeader) -> dict[str, Any]:
    return {"zarr_format": 3, "node_type": "group", "attributes": {ATTRIBUTE: header.to_attributes()}}
