"""Trajectory in TUM's text format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from mapping.export.atomic import replacing
from mapping.store.trajectory import MapTrajectory


def write_tum(path: Path, trajectory: MapTrajectory, keyframes_only: bool = False) -> None:
    """Writes `timestamp tx ty tz qx qy qz qw` for every frame that has a pose.

    Convention: camera-to-world, OpenCV camera axes, seconds, metres where the map is metric. Where tracking was lost
    for good
    a comment line says that poses before and after it cannot be compared.
    """
    chosen = trajectory.select(trajectory.posed & (trajectory.keyframe | (not keyframes_only)))
    lines = ["# timestamp tx ty tz qx qy qz qw; camera-to-world, OpenCV camera axes (x right, y down, z forward)"]
    quaternions = (
        Rotation.from_matrix(chosen.T_world_cam[:, :3, :3]).as_quat(canonical=True) if len(chosen) else np.zeros((0, 4))
    )
    component = None
    for i in range(len(chosen)):
        if component is not None and chosen.component[i] != component:
            lines.append(f"# component {chosen.component[i]}: not connected with the poses before")
        component = chosen.component[i]
        numbers = [*chosen.T_world_cam[i, :3, 3], *quaternions[i]]
        lines.append(" ".join([f"{chosen.timestamps_s[i]:.6f}", *(f"{number:.9f}" for number in numbers)]))
    with replacing(path) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
