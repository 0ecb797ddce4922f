"""Pose files with a line of numbers for each pose: TUM, RTAB-Map, KITTI, EuRoC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from recordings.pose_table import Convention, PoseTable
from streammtl.errors import RecordingError

FORMS = (
    "Expected are lines 'timestamp tx ty tz qx qy qz qw' (TUM; RTAB-Map adds the node's number), 12 numbers of a 3x4 "
    "matrix (KITTI), or EuRoC's csv with 'nanoseconds, x, y, z, qw, qx, qy, qz'."
)
NANOSECONDS = 1e14  # no clock in seconds has come so far
Numbered = tuple[int, list[str]]  # line number and columns


def read_pose_lines(path: Path) -> PoseTable:
    """Poses of a text file, whichever of the formats it is; lines that start with # are comments.

    TUM: camera to world by nearest time, quaternion x y z w. RTAB-Map writes the same with a ninth column.
    KITTI: 12 numbers of a camera-to-world matrix, row by row; line i belongs to frame i.
    EuRoC: nanoseconds, quaternion w x y z; poses of the body (IMU), brought to cam0 by its sensor.yaml where that lies
    beside.
    Raises: RecordingError when the file cannot be read, is empty, or a line has another number of columns.
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
    if entries and not _is_number(entries[0][1][0]):
        entries = entries[1:]  # a heading
    if not entries:
        raise RecordingError(f"poses file {path} holds no pose; expected lines 'timestamp tx ty tz qx qy qz qw'.")
    columns = len(entries[0][1])
    if columns == 12:
        return _kitti(path, entries)
    if columns >= 8 and _is_number(entries[0][1][0]) and float(entries[0][1][0]) > NANOSECONDS:
        return _euroc(path, entries)
    return tum_table(path, entries)


def tum_table(path: Path, entries: Sequence[Numbered]) -> PoseTable:
    """Lines of TUM format, with or without a ninth column, ordered by time. Raises: RecordingError."""
    columns = len(entries[0][1])
    rows = _numbers(path, entries, 9 if columns == 9 else 8)
    kind = "RTAB-Map (TUM with node numbers)" if columns == 9 else "TUM"
    times = rows[:, 0].copy()
    table = PoseTable(path, kind, _places(entries), rows[:, 1:4], quaternions=rows[:, 4:8], timestamps_s=times)
    return table.ordered(np.argsort(times, kind="stable"))


def _kitti(path: Path, entries: Sequence[Numbered]) -> PoseTable:
    rows = _numbers(path, entries, 12).reshape(-1, 3, 4)
    numbers = np.arange(len(rows))
    return PoseTable(
        path, "KITTI", _places(entries), rows[:, :, 3], rotations=rows[:, :, :3], numbers=numbers, by_position=True
    )


def _euroc(path: Path, entries: Sequence[Numbered]) -> PoseTable:
    rows = _numbers(path, [(number, columns[:8]) for number, columns in entries], 8)
    seconds = np.array([int(float(columns[0])) / 1e9 for _, columns in entries])
    convention = Convention(quaternion="w x y z")
    table = PoseTable(
        path, "EuRoC", _places(entries), rows[:, 1:4], quaternions=rows[:, 4:8], convention=convention,
        timestamps_s=seconds,
    ).ordered(np.argsort(seconds, kind="stable"))  # fmt: skip
    sensor = path.resolve().parent.parent / "cam0" / "sensor.yaml"
    if not sensor.is_file():
        return replace(table, notes=("poses are those of the body (IMU): cam0/sensor.yaml is not beside the folder",))
    T_world_cam = table.T_world_cam @ _camera_on_body(sensor)
    return replace(
        table, translations=T_world_cam[:, :3, 3], rotations=T_world_cam[:, :3, :3], quaternions=None,
        convention=Convention(), notes=("brought from the body (IMU) to cam0 by its sensor.yaml",),
    )  # fmt: skip


def _places(entries: Sequence[Numbered]) -> tuple[str, ...]:
    return tuple(f"line {number}" for number, _ in entries)


def _camera_on_body(sensor: Path) -> np.ndarray:
    """T_body_cam [4,4] of a EuRoC sensor.yaml, whose only list of 16 numbers it is."""
    text = sensor.read_text(errors="replace")
    inside = text.partition("data:")[2].partition("[")[2].partition("]")[0]
    try:
        return np.array(inside.replace(",", " ").split(), dtype=np.float64).reshape(4, 4)
    except ValueError as error:
        raise RecordingError(f"{sensor} holds no T_BS of 4x4 numbers ({error}); copy it again.") from error


def _numbers(path: Path, entries: Sequence[Numbered], count: int) -> np.ndarray:
    """f64 [N,count]. Raises: RecordingError naming the line."""
    for number, columns in entries:
        if len(columns) != count:
            raise RecordingError(f"poses file {path}, line {number} has {len(columns)} columns. {FORMS}")
        if not all(_is_number(column) for column in columns):
            raise RecordingError(f"poses file {path}, line {number} holds something that is no number. {FORMS}")
    return np.array([columns for _, columns in entries], dtype=np.float64)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
