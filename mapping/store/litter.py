"""What a crash leaves behind: everything in our folders that the root does not name."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from mapping.store import keyframes, labels
from mapping.store.header import MapHeader

logger = logging.getLogger(__name__)
_NUMBERED = ("submaps", "state", "trajectory", "surface")


def named_groups(header: MapHeader) -> set[str]:
    """The groups that count, relative to the map."""
    names = {entry.group for entry in header.submaps} | {header.state, header.trajectory, header.surface}
    return {name for name in names if name is not None}


def remove_unnamed(path: Path, header: MapHeader) -> None:
    """Removes groups that the root does not name, and half-written files. Folders that are not ours are left alone."""
    named = named_groups(header)
    for kind in _NUMBERED:
        folder = path / kind
        for child in sorted(folder.iterdir()) if folder.is_dir() else ():
            if child.is_dir() and f"{kind}/{child.name}" not in named:
                remove_group(path, f"{kind}/{child.name}")
    if header.label_space is None:
        remove_group(path, labels.GROUP)
    if header.keyframes == 0:
        remove_group(path, keyframes.GROUP)
    # Groups that the root names were whole before it named them, so nothing half-written lies deeper.
    half_written = [*path.glob("*.partial"), *(path / keyframes.GROUP).rglob("*.partial")]
    for kind in (*_NUMBERED, labels.GROUP):
        half_written += (path / kind).glob("*.partial")
    for part in half_written:
        part.unlink(missing_ok=True)


def remove_group(path: Path, name: str) -> None:
    """Deletes a group that is no longer named. What cannot be deleted is left to the next writer."""
    folder = path / name
    if not folder.exists():
        return
    try:
        shutil.rmtree(folder)
    except OSError as error:
        logger.warning("%s is no longer needed but could not be deleted: %s", folder, error)
