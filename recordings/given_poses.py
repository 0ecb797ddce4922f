"""Poses from a file of one's own, in place of those a recording has or has not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from recordings.recording import Recording, WrappedRecording
from recordings.trajectory_file import nearest, read_tum
from streammtl.errors import ConfigError, RecordingError
from streammtl.views import Frame

ROUNDING_S = 1e-5  # time stamps are written with few digits


class PosedRecording(WrappedRecording):
    """Gives every frame the pose whose time is nearest, within half a frame interval; frames without one have none.

    Raises: RecordingError when the file is wrong or none of its times can belong to this recording.
    """

    def __init__(self, inner: Recording, poses: Path, nominal_fps: float) -> None:
        if inner.is_live:
            raise ConfigError(f"poses cannot be given for {inner.name}, which is live; record it first.")
        super().__init__(inner)
        self._timestamps_s, self._T_world_cam = read_tum(poses)
        self._tolerance_s = 0.5 / (inner.fps or nominal_fps) + ROUNDING_S
        self.has_poses = True
        self._check_overlap(poses)

    def _check_overlap(self, poses: Path) -> None:
        first, last = self.inner.time_span_s
        earliest, latest = float(self._timestamps_s[0]), float(self._timestamps_s[-1])
        if latest < first - self._tolerance_s or (last is not None and earliest > last + self._tolerance_s):
            until = "its end" if last is None else f"{last:.3f}"
            raise RecordingError(
                f"poses file {poses} covers {earliest:.3f} to {latest:.3f} s, {self.name} runs from {first:.3f} "
                f"to {until} s. "
                f"Time stamps must be those of the frames (a video starts at 0)."
            )

    def change(self, frame: Frame) -> Frame:
        at = int(nearest(self._timestamps_s, frame.timestamp_s, self._tolerance_s)[0])
        return replace(frame, T_world_cam=None if at < 0 else self._T_world_cam[at])
