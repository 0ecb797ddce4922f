"""Trajectory in KITTI's text format."""

from __future__ import annotations

from pathlib import Path

from mapping.export.atomic import replacing
from mapping.store.trajectory import MapTrajectory


def write_kitti(path: Path, trajectory: MapTrajectory, keyframes_only: bool = False) -> None:
    """Writes the upper three rows of T_world_cam, row by row, one line per frame that has a pose.

    Convention: camera-to-world, OpenCV axes, metres where the map is metric. The format has neither times nor comments:
    frames without a pose are left out, and components that tracking does not connect follow each other unmarked.
    """
    chosen = trajectory.select(trajectory.posed & (trajectory.keyframe | (not keyframes_only)))
    rows = chosen.T_world_cam[:, :3].reshape(-1, 12)
    with replacing(path) as part:
        part.write_text("".join(" ".join(f"{number:.9g}" for number in row) + "\n" for row in rows), encoding="ascii")
