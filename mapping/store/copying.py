"""Parts of maps become a new map in one commit: what repair, migrate, merge and crop have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mapping.records import Submap
from mapping.store.header import MapHeader
from mapping.store.keyframes import KEYFRAME_ARRAYS, Columns
from mapping.store.reader import MapReader
from mapping.store.settings import StoreSettings
from mapping.store.state import StageStates
from mapping.store.writer import MapWriter

if TYPE_CHECKING:
    from mapping.surface.mesh import Mesh

_KEYFRAMES_AT_ONCE = 64
_OF_THE_SOURCE = ("upgraded_from",)


@dataclass
class Contents:
    """What a new map is made of. Iterables are gone through once, so that a submap at a time is in memory."""

    header: MapHeader
    submaps: Iterable[Submap]
    keyframes: Iterable[Columns] = ()
    state: StageStates = field(default_factory=dict)
    surface: Mesh | None = None


def write_contents(out: Path | str, contents: Contents, settings: StoreSettings | None = None) -> MapHeader:
    """Writes a new map; before its one commit it is empty, after it whole. Raises: StoreError when `out` is taken."""
    extra = {key: value for key, value in (contents.header.model_extra or {}).items() if key not in _OF_THE_SOURCE}
    fields = {name: getattr(contents.header, name) for name in MapHeader.model_fields}
    header = MapHeader.model_construct(**fields, **extra)
    with MapWriter.create(out, header, settings) as writer:
        writer.commit(
            submaps=contents.submaps,
            copied_keyframes=contents.keyframes,
            state=contents.state or None,
            header=header,
        )
        writer.write_trajectory()
        if contents.surface is not None:
            writer.write_surface([contents.surface])
        return writer.header


def keyframe_columns(
    reader: MapReader, wanted: np.ndarray, names: Iterable[str] = KEYFRAME_ARRAYS
) -> Iterator[Columns]:
    """The keyframes with the rising numbers `wanted` i64 [N], as the map keeps them, some at a time."""
    runs = np.split(wanted, np.flatnonzero(np.diff(wanted) != 1) + 1)
    for run in runs:
        for start in range(0, len(run), _KEYFRAMES_AT_ONCE):
            part = run[start : start + _KEYFRAMES_AT_ONCE]
            yield reader.keyframe_columns(int(part[0]), int(part[-1]) + 1, names)


def with_history(header: MapHeader, **what: object) -> MapHeader:
    """The header with a line on where its map comes from."""
    provenance = header.provenance.model_copy(update=what)
    return header.model_copy(update={"provenance": provenance})
