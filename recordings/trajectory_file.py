"""Poses with time stamps, and which of them belongs to a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recordings.pose_files import read_poses
from streammtl.errors import RecordingError


def read_tum(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(timestamps f64 [N] ascending, T_world_cam f64 [N,4,4]) of a file with a time stamp for each pose.

    Convention: OpenCV camera axes, metres (or the file's own unit), camera to world.
    Raises: RecordingError when the file is missing, empty or without time stamps, or a line is not a pose: wrong number
    of columns, values that are not finite, a quaternion that is not of unit length, a time stamp that comes twice.
    """
    table = read_poses(path)
    if table.timestamps_s is None:
        raise RecordingError(
            f"poses file {path} is {table.kind}, which has no time stamps; expected are lines 'timestamp tx ty tz qx "
            f"qy qz qw'. Give it with --poses instead."
        )
    return table.timestamps_s, table.T_world_cam


def nearest(timestamps_s: np.ndarray, wanted_s: np.ndarray, tolerance_s: float) -> np.ndarray:
    """i64 [M]: for each wanted time the index of the nearest of the ascending times [N], -1 beyond the tolerance."""
    wanted = np.atleast_1d(np.asarray(wanted_s, dtype=np.float64))
    if not len(timestamps_s):
        return np.full(len(wanted), -1)
    after = np.searchsorted(timestamps_s, wanted).clip(0, len(timestamps_s) - 1)
    before = (after - 1).clip(0)
    closer = np.abs(timestamps_s[before] - wanted) <= np.abs(timestamps_s[after] - wanted)
    index = np.where(closer, before, after)
    return np.where(np.abs(timestamps_s[index] - wanted) <= tolerance_s, index, -1)
