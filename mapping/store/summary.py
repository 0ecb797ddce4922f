"""What is in a map, for people: sizes, counts, rates."""

from __future__ import annotations

from typing import Any

import numpy as np

from mapping.store.header import MapHeader
from mapping.store.place import Place
from mapping.store.trajectory import MapTrajectory


def summarise(place: Place, header: MapHeader, trajectory: MapTrajectory) -> dict[str, Any]:
    """A JSON-able summary.

    Lengths are in metres where scale.status is metric, else in the map's own unit; rates are None when unknown.
    """
    times, progress = trajectory.timestamps_s, header.progress
    duration_s = float(times[-1] - times[0]) if len(times) > 1 else 0.0
    steps = np.diff(trajectory.frame)
    per_frame_s = duration_s / float(steps.sum()) if len(steps) and duration_s > 0 else 0.0
    labels = header.label_space
    return {
        "path": str(place),
        "schema": header.schema_name,
        "complete": progress.complete,
        "source": header.provenance.source,
        "created": header.provenance.created,
        "updated": header.provenance.updated,
        "size_bytes": sum(place.files().values()),
        "frames": len(trajectory),
        "frames_by_status": progress.frames_by_status or _count(trajectory.status),
        "frames_posed": int(trajectory.posed.sum()),
        "dropped": progress.dropped,
        "keyframes": header.keyframes,
        "submaps": len(header.submaps),
        "submaps_open": sum(not entry.closed for entry in header.submaps),
        "components": header.components,
        "connected": _connected(header, trajectory),
        "blocks": sum(entry.blocks for entry in header.submaps),
        "voxel_size_m": header.voxel_size_m,
        "truncation_m": header.truncation_m,
        "trajectory_length_m": trajectory.length_m,
        "duration_s": duration_s,
        "recording_frames_per_second": 1 / per_frame_s if per_frame_s else None,
        "mapped_frames_per_second": progress.next_frame / progress.elapsed_s if progress.elapsed_s else None,
        "elapsed_s": progress.elapsed_s,
        "scale": header.scale.model_dump(mode="json"),
        "label_space": {"name": labels.name, "version": labels.version, "labels": len(labels.ids)} if labels else None,
    }


def _connected(header: MapHeader, trajectory: MapTrajectory) -> list[dict[str, Any]]:
    """What hangs together: per component its submaps and its posed frames. Between components nothing is known."""
    parts = []
    for component in sorted({entry.component for entry in header.submaps}):
        frames = trajectory.frame[trajectory.posed & (trajectory.component == component)]
        parts.append(
            {
                "component": component,
                "submaps": [entry.number for entry in header.submaps if entry.component == component],
                "frames_posed": len(frames),
                "first_frame": int(frames[0]) if len(frames) else None,
                "last_frame": int(frames[-1]) if len(frames) else None,
            }
        )
    return parts


def _count(status: np.ndarray) -> dict[str, int]:
    values, counts = np.unique(status, return_counts=True)
    return {str(value): int(count) for value, count in zip(values, counts, strict=True)}
