"""What every tracker does: a pose, a status and a scale status for every frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from mapping.slam.settings import TrackerSettings
from mapping.slam.tracked import TrackedFrame, TrackStatus
from streammtl.camera import Camera
from streammtl.views import Frame, ScaleStatus, SkippedFrame

SeeMoving = Callable[[Frame], np.ndarray]  # bool [H,W] of a frame: pixels of things that move by themselves


class Tracker(ABC):
    """Follows a camera through a recording, one frame at a time, in order. Bad frames are survived, never raised.

    With `checkpoint=True` the answer carries the tracker's state after the frame; a fresh tracker that restores it goes
    on exactly as this one does.
    """

    def __init__(self, settings: TrackerSettings, camera: Camera, scale_status: ScaleStatus) -> None:
        self.settings = settings
        self.camera = camera
        self.scale_status = scale_status
        self.component = 0

    def track(self, frame: Frame, checkpoint: bool = False) -> TrackedFrame:
        """Poses one frame. A frame whose image does not fit the camera is SKIPPED, with the reason."""
        trouble = self._trouble(frame)
        if trouble:
            return self.skip(SkippedFrame(frame.index, frame.timestamp_s, trouble), checkpoint)
        tracked = self._track(frame)
        tracked.state = self.state() if checkpoint else None
        return tracked

    def skip(self, frame: SkippedFrame, checkpoint: bool = False) -> TrackedFrame:
        """Notes a frame that has no usable image."""
        tracked = TrackedFrame(
            frame.index, frame.timestamp_s, TrackStatus.SKIPPED, self.scale_status, self.component, reason=frame.reason
        )
        tracked.state = self.state() if checkpoint else None
        return tracked

    @abstractmethod
    def _track(self, frame: Frame) -> TrackedFrame:
        """Poses one frame whose image fits the camera."""

    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """All that the next frames depend on, as plain arrays."""

    @abstractmethod
    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Takes over a state that state() gave."""

    def _trouble(self, frame: Frame) -> str:
        expected = (self.camera.height, self.camera.width, 3)
        if frame.image.shape != expected or frame.image.dtype != np.uint8:
            return (
                f"image is {frame.image.dtype} {list(frame.image.shape)}, but the camera takes uint8 {list(expected)}; "
                "resize the image or give the calibration of its size"
            )
        return ""


def make_tracker(
    settings: TrackerSettings, camera: Camera, has_depth: bool, see_moving: SeeMoving | None = None
) -> Tracker:
    """The tracker that the settings name, for frames of one camera.

    has_depth says that the recording brings sensor depth: poses are then metric. `see_moving` is asked at keyframes,
    and no point is taken where it says that something moves by itself.
    """
    if settings.name == "given":
        from mapping.slam.given import GivenPoses

        return GivenPoses(settings, camera)
    from mapping.slam.pycolmap_tracker import PycolmapTracker

    return PycolmapTracker(settings, camera, has_depth, see_moving)
