"""Trajectories in TUM format: a text line `timestamp tx ty tz qx qy qz qw` for each pose, camera to world."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streammtl.errors import RecordingError

NORM_TOLERANCE = 0.01  # of quaternions written with few digits


def read_tum(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(timestamps f64 [N] ascending, T_world_cam f64 [N,4,4]) of a TUM file; lines that start with # are comments.

    Convention: OpenCV camera axes, metres (or the file's own unit), camera to world.
    Raises: RecordingError when the file is missing or empty, or a line is not a pose: wrong number of columns, values
    that are not finite, a quaternion that is not of unit length, a time stamp that comes twice.
    """
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError as error:
        raise RecordingError(f"poses file {path} cannot be read ({error.strerror}); check the path.") from error
    entries = [
        (number, line.replace(",", " ").split())
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not entries:
        raise RecordingError(f"poses file {path} holds no pose; expected lines 'timestamp tx ty tz qx qy qz qw'.")
    rows = np.array([_row(path, number, columns) for number, columns in entries])
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    doubled = np.flatnonzero(np.diff(rows[:, 0]) == 0)
    if doubled.size:
        raise RecordingError(
            f"poses file {path} has time stamp {rows[doubled[0], 0]:.6f} twice; keep one of the poses."
        )
    return rows[:, 0].copy(), _transforms(rows[:, 1:4], rows[:, 4:8])


def _row(path: Path, number: int, columns: list[str]) -> list[float]:
    expected = "expected 'timestamp tx ty tz qx qy qz qw' (camera to world, unit quaternion)"
    if len(columns) != 8:
        raise RecordingError(f"poses file {path}, line {number} has {len(columns)} columns; {expected}.")
    try:
        values = [float(column) for column in columns]
    except ValueError as error:
        raise RecordingError(
            f"poses file {path}, line {number} holds something that is no number; {expected}."
        ) from error
    if not np.isfinite(values).all():
        raise RecordingError(
            f"poses file {path}, line {number} holds NaN or infinity; {expected}. Leave out the frames without a pose."
        )
    norm = float(np.linalg.norm(values[4:]))
    if abs(norm - 1) > NORM_TOLERANCE:
        raise RecordingError(
            f"poses file {path}, line {number}: the quaternion has length {norm:.4f}; {expected}. "
            f"Check the order of the columns."
        )
    return values


def _transforms(positions: np.ndarray, quaternions_xyzw: np.ndarray) -> np.ndarray:
    x, y, z, w = (quaternions_xyzw / np.linalg.norm(quaternions_xyzw, axis=1, keepdims=True)).T
    T = np.zeros((len(positions), 4, 4))
    T[:, 0, :3] = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)], axis=1)
    T[:, 1, :3] = np.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)], axis=1)
    T[:, 2, :3] = np.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], axis=1)
    T[:, :3, 3] = positions
    T[:, 3, 3] = 1
    return T


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
