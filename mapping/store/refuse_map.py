"""A map fused again from the keyframes that it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mapping.fusion.choice import fusion_device
from mapping.fusion.refusion import refuse
from mapping.fusion.settings import FusionSettings
from mapping.records import Submap
from mapping.store.copying import Contents, keyframe_columns, with_history, write_contents
from mapping.store.header import MapHeader
from mapping.store.reader import MapReader, open_map
from mapping.store.settings import StoreSettings
from streammtl.errors import StoreError


def refuse_map(
    path: Path | str, out: Path | str, fusion: FusionSettings, settings: StoreSettings | None = None
) -> MapHeader:
    """Writes a map whose voxels come from the keyframes of another with these settings; gives its header.

    Poses, frames, anchors and keyframes stay as they are; so does the other map. Keyframes keep one label a pixel and
    no probability, so evidence for others is gone. Raises: StoreError for a map without keyframes, and a damaged one;
    ConfigError for a device that is absent.
    """
    fusion_device(fusion)  # before anything is written
    reader = open_map(path)
    header = reader.header
    if not header.keyframes:
        raise StoreError(f"the map {path} keeps no keyframes, so there is nothing to fuse again.")
    changed = {
        "voxel_size_m": fusion.voxel_size_m,
        "truncation_m": fusion.truncation_m,
        "config": {**header.config, "fusion": fusion.model_dump(mode="json")},
        "progress": header.progress.model_copy(update={"complete": True, "frames_by_status": {}}),
    }
    header = with_history(header.model_copy(update=changed), fused_again_from=str(path))
    every = keyframe_columns(reader, np.arange(reader.header.keyframes))
    return write_contents(out, Contents(header, _submaps(reader, fusion), every), settings)


def _submaps(reader: MapReader, fusion: FusionSettings) -> Iterator[Submap]:
    """One in memory at a time."""
    belongs = reader.keyframe_submaps()
    for entry in reader.header.submaps:
        keyframes = (reader.keyframe(int(i)) for i in np.flatnonzero(belongs == entry.number))
        yield replace(reader.submap(entry.number), blocks=refuse(keyframes, fusion).blocks())
