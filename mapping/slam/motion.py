"""Where the camera is likely to be next."""

from __future__ import annotations

import numpy as np

from mapping.slam.rigid import inverse, moved_pose, scale_of, scaled_motion

_MAX_STRETCH = 3.0


class Motion:
    """Constant velocity between the last two posed frames, stretched to the time that passes."""

    def __init__(self) -> None:
        self.T_world_cam = np.eye(4)  # of the last posed frame
        self.timestamp_s = 0.0
        self.step = np.eye(4)  # T_before_last: the last motion, in camera axes
        self.step_s = 0.0  # 0: no velocity known

    def predict(self, timestamp_s: float) -> np.ndarray:
        """T_world_cam [4,4] at a time after the last frame."""
        if self.step_s <= 0:
            return self.T_world_cam.copy()
        factor = float(np.clip((timestamp_s - self.timestamp_s) / self.step_s, 0.0, _MAX_STRETCH))
        return self.T_world_cam @ scaled_motion(self.step, factor)

    def update(self, T_world_cam: np.ndarray, timestamp_s: float) -> None:
        """Takes the pose of a new frame."""
        self.step = inverse(self.T_world_cam) @ T_world_cam
        self.step_s = max(timestamp_s - self.timestamp_s, 0.0)
        self.correct(T_world_cam, timestamp_s)

    def correct(self, T_world_cam: np.ndarray, timestamp_s: float) -> None:
        """Moves the last frame without taking that for motion: bundle adjustment shifted it."""
        self.T_world_cam = T_world_cam.copy()
        self.timestamp_s = timestamp_s

    def move(self, S: np.ndarray) -> None:
        """Takes the camera into a world that a similarity [4,4] leads to."""
        self.T_world_cam = moved_pose(S, self.T_world_cam)
        self.step[:3, 3] *= scale_of(S)

    def rest(self) -> None:
        """Forgets the velocity."""
        self.step, self.step_s = np.eye(4), 0.0

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {
            "motion.T_world_cam": self.T_world_cam.copy(),
            "motion.step": self.step.copy(),
            "motion.times_s": np.array([self.timestamp_s, self.step_s]),
        }

    def from_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        self.T_world_cam = np.array(arrays["motion.T_world_cam"])
        self.step = np.array(arrays["motion.step"])
        self.timestamp_s, self.step_s = (float(t) for t in arrays["motion.times_s"])
