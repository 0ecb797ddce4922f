"""A map of an older layout version, written again as today's software writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mapping.store.copying import Contents, keyframe_columns, with_history, write_contents
from mapping.store.header import LAYOUT_VERSION, MapHeader
from mapping.store.reader import open_map
from mapping.store.settings import StoreSettings
from streammtl.errors import StoreError


def migrate_map(path: Path | str, out: Path | str, settings: StoreSettings | None = None) -> MapHeader:
    """Copies a map to `out` with the checksums and types of today; the old map is left as it is. Gives the new header.

    Old maps can be read and continued without this. Raises: StoreError for a map that is up to date already, for a
    damaged one and for a taken `out`; VersionError for a newer one.
    """
    reader = open_map(path)
    header = reader.header
    version = (header.model_extra or {}).get("upgraded_from", LAYOUT_VERSION)
    if version == LAYOUT_VERSION:
        raise StoreError(f"the map {path} has layout version {version}, the newest one; there is nothing to migrate.")
    return write_contents(
        out,
        Contents(
            with_history(header, migrated_from=version),
            reader.submaps(),
            keyframe_columns(reader, np.arange(header.keyframes)),
            reader.state(),
            reader.surface(),
        ),
        settings,
    )
