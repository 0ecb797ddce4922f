"""The root's zarr.json: read with suspicion, replaced by one rename, and kept a second time beside itself."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

from pydantic import ValidationError

from mapping.store.damage import damaged, first_line
from mapping.store.header import LAYOUT_VERSION, MapHeader
from mapping.store.place import ROOT, SPARE, Place
from mapping.store.versions import upgraded
from streammtl.errors import StoreError, VersionError

ATTRIBUTE = "streammtl"
SUBMAP_GROUP = re.compile(r"submaps/(\d{6,9})\.(\d{1,9})")
NUMBERED_GROUP = re.compile(r"(state|trajectory|surface)/(\d{1,9})")
_GIVE = "Give the folder that `streammtl map --out` wrote."


def read_header(place: Place) -> MapHeader:
    """What the map's root says. Raises: StoreError and VersionError, as `read_document` and `parse_header`."""
    return parse_header(place, read_document(place))


def read_document(place: Place) -> dict[str, Any]:
    """The root's zarr.json as parsed JSON, checked to be a map's; that of an older version as if written now.

    Raises: StoreError when there is no map at `place` or its root is damaged; VersionError when it is newer than this
    software.
    """
    if wrong := place.what_is_wrong():
        raise StoreError(f"{wrong}. {_GIVE}")
    try:
        document = json.loads(place.read(place.root))
    except FileNotFoundError:
        if place.root == ROOT and not list(place.missing([SPARE], "")):
            raise damaged(place, f"its root {ROOT} is gone, but {SPARE} beside it may say the same") from None
        raise StoreError(f"{place} is not a map: it holds no {place.root}. {_GIVE}") from None
    except (ValueError, RecursionError) as error:
        raise damaged(place, f"its root {place.root} is not JSON ({error})") from None
    except (OSError, *place.errors) as error:
        why = getattr(error, "strerror", None) or first_line(error)
        raise StoreError(
            f"the map {place} cannot be read: {why}. Check that it can be reached and that you may read it."
        ) from error
    attributes = document.get("attributes") if isinstance(document, dict) else None
    if not isinstance(attributes, dict) or not isinstance(attributes.get(ATTRIBUTE), dict):
        raise StoreError(f"{place} is not a map of ours: its {place.root} has no '{ATTRIBUTE}' attribute. {_GIVE}")
    check_version(place, attributes[ATTRIBUTE])
    return document | {"attributes": attributes | {ATTRIBUTE: upgraded(attributes[ATTRIBUTE])}}


def check_version(place: Place, attribute: dict[str, Any]) -> None:
    version = attribute.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise damaged(place, f"its root has the version {version!r}, expected a whole number from 1 on")
    if version > LAYOUT_VERSION:
        raise VersionError(
            f"the map {place} has layout version {version}; this software reads up to version {LAYOUT_VERSION}. "
            "Install a newer streammtl to open it; the map is left as it is."
        )


def parse_header(place: Place, document: dict[str, Any]) -> MapHeader:
    """The header of a root document. Raises StoreError naming the first field that is wrong."""
    attribute = document["attributes"][ATTRIBUTE]
    try:
        header = MapHeader.model_validate(attribute)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "root"
        raise damaged(place, f"its root says something wrong of {where}: {first['msg']}") from None
    for problem in (*pointer_problems(header), *checksum_problems(attribute)):
        raise damaged(place, f"its root is wrong: {problem}")
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


def checksum_problems(attribute: dict[str, Any]) -> list[str]:
    """Whether the root attribute is, number by number, the one that was written; older versions have no checksum."""
    if attribute.get("upgraded_from", LAYOUT_VERSION) < 2 and not attribute.get("checksum"):
        return []
    if attribute.get("checksum") == checksum(attribute):
        return []
    return [f"checksum {attribute.get('checksum')} does not fit the root, which has {checksum(attribute)}"]


def checksum(attribute: dict[str, Any]) -> str:
    """CRC-32 of the attribute as JSON with sorted keys and no spaces, without its member `checksum`; 8 hex digits."""
    rest = {key: value for key, value in attribute.items() if key != "checksum"}
    return f"{zlib.crc32(json.dumps(rest, sort_keys=True, separators=(',', ':')).encode()):08x}"


def replace_document(place: Place, document: dict[str, Any], durable: bool) -> None:
    """Swaps the root's zarr.json at once; with `durable` the new one is on the disk before it takes effect."""
    place.replace(ROOT, _as_bytes(document), durable)


def keep_spare(place: Place, document: dict[str, Any]) -> None:
    """Writes the root a second time. It comes after the first, so it never names what is not there yet."""
    place.replace(SPARE, _as_bytes(document))


def _as_bytes(document: dict[str, Any]) -> bytes:
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()


def new_document(header: MapHeader) -> dict[str, Any]:
    """The root of a map with this header."""
    return with_header({"zarr_format": 3, "node_type": "group", "attributes": {}}, header)


def with_header(document: dict[str, Any], header: MapHeader) -> dict[str, Any]:
    """The same root with another header, sealed by its checksum; attributes of others stay."""
    attribute = header.to_attributes()
    attribute["checksum"] = checksum(attribute)
    return document | {"attributes": document["attributes"] | {ATTRIBUTE: attribute}}
