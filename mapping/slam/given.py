"""Takes the poses that come with a recording."""

from __future__ import annotations

import numpy as np

from mapping.slam.lens import Lens
from mapping.slam.settings import TrackerSettings
from mapping.slam.tracked import SparsePoints, TrackedFrame, TrackStatus
from mapping.slam.tracker import Tracker
from streammtl.camera import Camera
from streammtl.views import Frame, ScaleStatus

MOST_POINTS = 300  # of a frame, for scale and depth range


class GivenPoses(Tracker):
    """Believes the recording. A frame without a finite, rigid pose is LOST; jumps are kept and flagged."""

    def __init__(self, settings: TrackerSettings, camera: Camera) -> None:
        super().__init__(settings, camera, ScaleStatus.METRIC)
        self._last_position = np.full(3, np.nan)
        self._last_s = np.nan

    def _track(self, frame: Frame) -> TrackedFrame:
        tracked = TrackedFrame(frame.index, frame.timestamp_s, TrackStatus.LOST, frame.pose_scale)
        tracked.reason = _pose_trouble(frame.T_world_cam)
        if tracked.reason:
            return tracked
        tracked.status = TrackStatus.TRACKED
        tracked.T_world_cam = np.array(frame.T_world_cam, dtype=np.float64)
        tracked.reference = frame.index
        tracked.points = self._points(frame)
        position = tracked.T_world_cam[:3, 3]
        seconds = frame.timestamp_s - self._last_s
        if seconds > 0 and frame.pose_scale is ScaleStatus.METRIC:
            speed = float(np.linalg.norm(position - self._last_position)) / seconds
            if speed > self.settings.max_speed_m_s:
                tracked.reason = f"the given pose moves at {speed:.1f} m/s, above {self.settings.max_speed_m_s:.1f} m/s"
        self._last_position, self._last_s = position.copy(), frame.timestamp_s
        return tracked

    def _points(self, frame: Frame) -> SparsePoints | None:
        """The given points where the image shows them, as a tracker would give its own."""
        if frame.points_xyz is None or not len(frame.points_xyz):
            return None
        uv, z = Lens(self.camera).project(frame.points_xyz, np.asarray(frame.T_world_cam, dtype=np.float64))
        size = (self.camera.width - 1, self.camera.height - 1)
        shown = (z > 0) & ((uv >= 0) & (uv <= size)).all(axis=1)
        chosen = np.flatnonzero(shown)[:: max(1, int(shown.sum()) // MOST_POINTS)]
        return SparsePoints(uv[chosen], frame.points_xyz[chosen])

    def state(self) -> dict[str, np.ndarray]:
        return {"last_position": self._last_position.copy(), "last_s": np.array(self._last_s)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        self._last_position = np.array(state["last_position"], dtype=np.float64)
        self._last_s = float(state["last_s"])


def _pose_trouble(T_world_cam: np.ndarray | None) -> str:
    if T_world_cam is None:
        return "the recording gives no pose for this frame"
    T = np.asarray(T_world_cam)
    if T.shape != (4, 4) or not np.isfinite(T).all():
        return "the given pose is not a finite 4x4 matrix"
    rotation = T[:3, :3]
    if np.abs(rotation.T @ rotation - np.eye(3)).max() > 1e-3 or np.linalg.det(rotation) < 0:
        return "the given pose is not a rotation and a translation"
    return ""
