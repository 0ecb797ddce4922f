"""What is wrong with the numbers of a pose file, without looking at any image."""

from __future__ import annotations

import numpy as np

from recordings.pose_table import PoseTable

NORM_TOLERANCE = 0.01  # of quaternions and rotations written with few digits
MOST_SPEED_M_S = 15.0  # median; no one carries a camera faster
JUMP = 12.0  # times the usual step
LEAST_JUMP = 0.2  # of the largest extent of the path
TURNED_LENGTH = 2.0  # times longer that the path is in the wrong direction of the poses
EXPECTED = "expected camera poses of unit quaternions or rotation matrices"


def unusable(table: PoseTable) -> str | None:
    """The first reason why the poses cannot be used at all, or None."""
    finite = np.isfinite(table.translations).all(axis=1)
    turns = table.quaternions if table.quaternions is not None else table.rotations.reshape(-1, 9)
    finite &= np.isfinite(turns).all(axis=1)
    if not finite.all():
        return f"{_at(table, ~finite)} holds NaN or infinity; {EXPECTED}. Leave out the frames without a pose."
    if table.quaternions is not None:
        norm = np.linalg.norm(table.quaternions, axis=1)
        wrong = np.abs(norm - 1) > NORM_TOLERANCE
        if wrong.any():
            length = norm[np.flatnonzero(wrong)[0]]
            where = _at(table, wrong)
            return f"{where}: the quaternion has length {length:.4f}; {EXPECTED}. Check the order of the columns."
    else:
        trouble = _matrix_trouble(table)
        if trouble:
            return trouble
    keys = table.timestamps_s if table.timestamps_s is not None else table.numbers
    doubled = [] if keys is None else np.flatnonzero(np.diff(keys) == 0)
    if len(doubled):
        what = f"time stamp {keys[doubled[0]]:.6f}" if table.timestamps_s is not None else f"number {keys[doubled[0]]}"
        return f"{table.source} has {what} twice; keep one of the poses."
    if table.names is not None and len(set(table.names)) < len(table.names):
        name = next(name for name in table.names if table.names.count(name) > 1)
        return f"{table.source} has two poses for images called {name}; keep one of them."
    return None


def _matrix_trouble(table: PoseTable) -> str | None:
    R = table.rotations
    scale = np.cbrt(np.abs(np.linalg.det(R)))
    off = np.abs(R.transpose(0, 2, 1) @ R - np.eye(3)).max(axis=(1, 2))
    if (off > NORM_TOLERANCE).any():
        if (np.abs(R.transpose(0, 2, 1) @ R / scale[:, None, None] ** 2 - np.eye(3)).max(axis=(1, 2)) < 0.01).all():
            factor = float(np.median(scale))
            return f"{table.source}: the rotations are multiplied by {factor:.4g}; divide them by it. {EXPECTED}."
        return f"{_at(table, off > NORM_TOLERANCE)}: the 3x3 part is not orthonormal; {EXPECTED}."
    if (np.linalg.det(R) < 0).any():
        mirrored = np.linalg.det(R) < 0
        return (
            f"{_at(table, mirrored)}: the axes are left-handed (determinant -1, {mirrored.sum()} of {len(table)} "
            f"poses), as in Unity or Unreal; mirror one axis of world and camera alike (S T S, S = diag(1,-1,1,1))."
        )
    return None


def _at(table: PoseTable, wrong: np.ndarray) -> str:
    return f"poses file {table.source}, {table.places[int(np.flatnonzero(wrong)[0])]}"


def suspicions(table: PoseTable) -> list[str]:
    """What looks wrong with usable poses, in plain words: unit, time stamps, jumps, direction, order of quaternions."""
    T = table.T_world_cam
    steps = np.linalg.norm(np.diff(T[:, :3, 3], axis=0), axis=1)
    found = [*_times(table), *_unit(table, steps), *_jumps(table, steps), *_direction(T)]
    swapped = table.quaternions is not None and table.convention.quaternion == "x y z w"
    if swapped and table.quaternions[0, 0] > 0.9999:
        found.append("the first quaternion is 1 0 0 0: the columns look like w x y z, not x y z w")
    return found


def _times(table: PoseTable) -> list[str]:
    if table.timestamps_s is None or len(table) < 3:
        return []
    interval_s = float(np.median(np.diff(table.timestamps_s)))
    if interval_s > 1e5:
        return [f"time stamps are {interval_s:.3g} apart: they look like nanoseconds, seconds are expected"]
    if interval_s > 8:
        return [f"time stamps are {interval_s:.3g} apart: they look like milliseconds or frame numbers, not seconds"]
    return []


def _unit(table: PoseTable, steps: np.ndarray) -> list[str]:
    """Speed tells millimetres from metres; without times, 30 frames a second are assumed."""
    if not table.metric or not len(steps):
        return []
    seconds = np.full(len(steps), 1 / 30) if table.timestamps_s is None else np.diff(table.timestamps_s)
    gap = np.ones(len(steps)) if table.numbers is None else np.diff(table.numbers)
    usual = float(np.median(steps / np.maximum(seconds * gap, 1e-9)))
    if table.names is None and usual > MOST_SPEED_M_S:
        unit = "millimetres" if usual > 50 else "another unit than metres"
        return [f"the camera moves at {usual:.3g} m/s: positions look like {unit}, or are up to scale"]
    return []


def _jumps(table: PoseTable, steps: np.ndarray) -> list[str]:
    if len(steps) < 5:
        return []
    extent = float(np.ptp(table.T_world_cam[:, :3, 3], axis=0).max())
    far = np.flatnonzero((steps > JUMP * max(float(np.median(steps)), 1e-9)) & (steps > LEAST_JUMP * extent))
    if not len(far):
        return []
    place = table.places[int(far[0]) + 1]
    step = f"{steps[far[0]]:.3g} before {place}"
    return [f"{len(far)} jumps, the first of {step}: tracking was lost, or frames are missing"]


def _direction(T_world_cam: np.ndarray) -> list[str]:
    """Poses of the wrong direction swing about: their centres go along with every turn of the camera."""
    T_cam_world = np.linalg.inv(T_world_cam)
    length = [float(np.linalg.norm(np.diff(T[:, :3, 3], axis=0), axis=1).sum()) for T in (T_world_cam, T_cam_world)]
    if len(T_world_cam) >= 10 and length[0] > TURNED_LENGTH * length[1] > 0:
        return [
            f"these look like the inverse of what the format says: read so, the path is {length[0]:.3g} long, inverted "
            f"{length[1]:.3g}"
        ]
    return []
