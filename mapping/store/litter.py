"""What a crash leaves behind: everything in our folders that the root does not name."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from mapping.store import keyframes, labels
from mapping.store.header import MapHeader
from mapping.store.place import ROOT, SPARE_GROUP, Place

logger = logging.getLogger(__name__)
_NUMBERED = ("submaps", "state", "trajectory", "surface")
_HALF_WRITTEN = ".partial"


def named_groups(header: MapHeader) -> set[str]:
    """The groups that count, relative to the map."""
    names = {entry.group for entry in header.submaps} | {header.state, header.trajectory, header.surface}
    return {name for name in names if name is not None}


def unnamed(place: Place, header: MapHeader) -> Iterator[str]:
    """Groups that the root does not name and half-written files. Folders that are not ours are left alone."""
    named = named_groups(header)
    for kind in _NUMBERED:
        for child in place.children(kind):
            if (child != ROOT and f"{kind}/{child}" not in named) or child.endswith(_HALF_WRITTEN):
                yield f"{kind}/{child}"
    for group, counts in ((labels.GROUP, header.label_space is not None), (keyframes.GROUP, header.keyframes > 0)):
        if not counts and place.children(group):
            yield group
    yield from (child for child in place.children() if child.endswith(_HALF_WRITTEN))
    # Groups that the root names were whole before it named them; only keyframes are written into one that counts.
    for folder in (keyframes.GROUP, labels.GROUP, SPARE_GROUP):
        yield from (file for file in place.files(folder) if file.endswith(_HALF_WRITTEN))


def remove_unnamed(place: Place, header: MapHeader) -> None:
    """Removes what a crash left."""
    for name in unnamed(place, header):
        remove_group(place, name)


def remove_group(place: Place, name: str) -> None:
    """Deletes a group that is no longer named. What cannot be deleted is left to the next writer."""
    try:
        place.remove([name])
    except (OSError, *place.errors) as error:
        logger.warning("%s of the map %s is no longer needed but could not be deleted: %s", name, place, error)
