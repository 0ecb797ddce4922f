"""A map with all its lengths multiplied by a factor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mapping.records import Submap
from mapping.store.copying import Contents, keyframe_columns, with_history, write_contents
from mapping.store.header import MapHeader, ScaleRecord
from mapping.store.keyframes import Columns
from mapping.store.reader import MapReader, open_map
from mapping.store.settings import StoreSettings
from streammtl.errors import StoreError
from streammtl.views import ScaleStatus

if TYPE_CHECKING:
    from mapping.surface.mesh import Mesh


def rescale_map(
    path: Path | str, out: Path | str, factor: float | None = None, settings: StoreSettings | None = None
) -> MapHeader:
    """Writes the map with voxels, poses and depth `factor` times as large; gives its header.

    Signed distances are fractions of the truncation distance, so that the surface stays what it was. A factor that is
    given makes lengths metres. Without one it is what all keyframes of the recording told (`scale.over_recording`).
    Raises: StoreError for a factor that is not positive, a map that holds none, and a damaged map.
    """
    reader = open_map(path)
    header = reader.header
    scale = _told(reader) if factor is None else _stated(header.scale, factor)
    if factor is None:
        factor = header.scale.over_recording
    header = header.model_copy(
        update={
            "voxel_size_m": header.voxel_size_m * factor,
            "truncation_m": header.truncation_m * factor,
            "scale": scale,
            "progress": header.progress.model_copy(update={"complete": True}),  # its recording has the old unit
        }
    )
    contents = Contents(
        with_history(header, rescaled_by=factor),
        (_rescaled(submap, factor, scale.status) for submap in reader.submaps()),
        _keyframes(reader, factor),
        surface=_surface(reader, factor),
    )
    return write_contents(out, contents, settings)


def _stated(before: ScaleRecord, factor: float) -> ScaleRecord:
    if not (np.isfinite(factor) and factor > 0):
        raise StoreError(f"lengths cannot be multiplied by {factor}; give a positive number, e.g. --factor 1.08.")
    value = None if before.value is None else before.value * factor
    return ScaleRecord(status=ScaleStatus.METRIC, value=value, method=f"stated: lengths times {factor:g}")


def _told(reader: MapReader) -> ScaleRecord:
    before = reader.header.scale
    factor = before.over_recording
    if factor is None or before.value is None:
        raise StoreError(
            f"the map {reader.path} does not hold a scale told by all its keyframes: it was not mapped from images "
            "alone with a model that knows metres. Give the factor, e.g. --factor 1.08."
        )
    return before.model_copy(
        update={
            "value": before.value * factor,
            "interval": None if before.interval is None else tuple(end * factor for end in before.interval),
            "method": f"{before.method}, over the whole recording",
            "over_recording": 1.0,
        }
    )


def _stretched(T: np.ndarray, factor: float) -> np.ndarray:
    result = T.copy()
    result[..., :3, 3] *= factor
    return result


def _rescaled(submap: Submap, factor: float, status: ScaleStatus) -> Submap:
    frames = [
        replace(frame, T_submap_cam=_stretched(frame.T_submap_cam, factor), scale_status=status)
        for frame in submap.frames
    ]
    anchor = _stretched(submap.T_world_submap, factor)
    return replace(submap, T_world_submap=anchor, frames=frames, closed=True)


def _keyframes(reader: MapReader, factor: float) -> Iterator[Columns]:
    for columns in keyframe_columns(reader, np.arange(len(reader))):
        depth = columns["depth_m"]
        yield {
            **columns,
            "depth_m": (depth.astype(np.float32) * factor).astype(depth.dtype),
            "T_submap_cam": _stretched(columns["T_submap_cam"], factor),
        }


def _surface(reader: MapReader, factor: float) -> Mesh | None:
    mesh = reader.surface()
    return None if mesh is None else replace(mesh, vertices=mesh.vertices * np.float32(factor))
