"""Poses from a file of one's own, in place of those a recording has or has not."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from recordings.pose_files import read_poses
from recordings.pose_table import PoseTable
from recordings.recording import Recording, WrappedRecording
from recordings.trajectory_file import nearest
from streammtl.errors import ConfigError, RecordingError
from streammtl.views import Frame, ScaleStatus

ROUNDING_S = 1e-5  # time stamps are written with few digits
HANDY_DEPTH = 2.0  # of the first views, in units, where the unit is ours to choose
MIN_POINTS = 20


class PosedRecording(WrappedRecording):
    """Gives every frame its pose, with the scene points that it sees where the file has them; some frames have none.

    A pose belongs to the frame nearest in time, within half a frame interval; or to the image of its name or number;
    or, where images have no names, as in a video, to the frame whose position that number is.
    unit: metres in a unit of the file, "unknown", or what the file's format says ("auto"). An unknown unit is changed
    so that the points of the first image lie 2 deep, where there are points.
    Raises: RecordingError when the file is wrong or nothing in it can belong to this recording.
    """

    def __init__(
        self, inner: Recording, poses: Path | PoseTable, nominal_fps: float, unit: float | str = "auto"
    ) -> None:
        if inner.is_live:
            raise ConfigError(f"poses cannot be given for {inner.name}, which is live; record it first.")
        super().__init__(inner)
        table = poses if isinstance(poses, PoseTable) else read_poses(poses)
        self.table = table
        self._T_world_cam = table.T_world_cam
        known = table.metric if unit == "auto" else unit != "unknown"
        self._scale_status = ScaleStatus.METRIC if known else ScaleStatus.UP_TO_SCALE
        factor = (1.0 if isinstance(unit, str) else float(unit)) if known else _handy_factor(table, self._T_world_cam)
        self._T_world_cam[:, :3, 3] *= factor
        self._points_xyz = None if table.points_xyz is None else [points * factor for points in table.points_xyz]
        self._tolerance_s = 0.5 / (inner.fps or nominal_fps) + ROUNDING_S
        self._rows = _rows_by_frame(table, inner)
        self.has_poses = True
        if inner.camera is None and table.is_calibration_of(inner.width, inner.height):
            self.camera = table.camera
        self._check_overlap()

    def _check_overlap(self) -> None:
        table = self.table
        if table.timestamps_s is None:
            if not self._rows or (self.frame_count and min(self._rows) >= self._source_frames()):
                raise RecordingError(
                    f"none of the {len(table)} poses of {table.source} ({table.places[0]} ...) belongs to an image of "
                    f"{self.name}: {table.kind} goes by {'file names' if table.names else 'frame numbers'}."
                )
            return
        first, last = self.inner.time_span_s
        earliest, latest = float(table.timestamps_s[0]), float(table.timestamps_s[-1])
        if latest < first - self._tolerance_s or (last is not None and earliest > last + self._tolerance_s):
            until = "its end" if last is None else f"{last:.3f}"
            raise RecordingError(
                f"poses file {table.source} covers {earliest:.3f} to {latest:.3f} s, {self.name} runs from {first:.3f} "
                f"to {until} s. "
                f"Time stamps must be those of the frames (a video starts at 0)."
            )

    def _source_frames(self) -> int:
        names = self.inner.image_names
        return len(names) if names is not None else 10**12

    def row(self, frame: Frame) -> int:
        """Which pose of the table is the frame's, -1 for none."""
        times = self.table.timestamps_s
        if times is not None:
            return int(nearest(times, frame.timestamp_s, self._tolerance_s)[0])
        return self._rows.get(frame.index, -1)

    def change(self, frame: Frame) -> Frame:
        at = self.row(frame)
        if at < 0:
            return replace(frame, T_world_cam=None)
        points = None if self._points_xyz is None else self._points_xyz[at]
        return replace(frame, T_world_cam=self._T_world_cam[at], points_xyz=points, pose_scale=self._scale_status)


def _handy_factor(table: PoseTable, T_world_cam: np.ndarray) -> float:
    """What brings the points of the first image that sees enough of them to a median depth of 2."""
    for T, points in zip(T_world_cam, table.points_xyz or (), strict=False):
        depth = (points - T[:3, 3]) @ T[:3, 2]
        if len(depth) >= MIN_POINTS and np.median(depth) > 0:
            return HANDY_DEPTH / float(np.median(depth))
    return 1.0


def _rows_by_frame(table: PoseTable, recording: Recording) -> dict[int, int]:
    """Frame index -> row of a table that has no time stamps."""
    if table.timestamps_s is not None:
        return {}
    images = recording.image_names
    if table.names is not None and images is not None:
        rows = {name: row for row, name in enumerate(table.names)}
        return {index: rows[name] for index, name in enumerate(images) if name in rows}
    numbers = [_number(name) for name in table.names] if table.names is not None else table.numbers.tolist()
    rows = {number: row for row, number in enumerate(numbers) if number is not None}
    own = None if images is None else [_number(name) for name in images]
    if own is None or None in own or table.by_position:
        return rows
    return {index: rows[number] for index, number in enumerate(own) if number in rows}


def _number(name: str) -> int | None:
    """The last number in a file's name."""
    digits = re.findall(r"\d+", name)
    return int(digits[-1]) if digits else None
