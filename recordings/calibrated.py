"""A recording whose camera is known: frames carry it, and a distorted lens is straightened on the way."""

from __future__ import annotations

from dataclasses import replace

from recordings.calibration import check_size
from recordings.recording import Recording, WrappedRecording
from recordings.undistort import Undistortion
from streammtl.camera import Camera
from streammtl.views import Frame


class CalibratedRecording(WrappedRecording):
    """Frames with their pinhole camera; images and depth are resampled when the lens is distorted.

    Raises: CameraError when the camera is that of another image size.
    """

    def __init__(self, inner: Recording, camera: Camera, source: str) -> None:
        check_size(camera, inner.width, inner.height, source)
        super().__init__(inner)
        self._undistortion = None if camera.is_pinhole else Undistortion(camera)
        self.camera = camera.to_pinhole()

    def change(self, frame: Frame) -> Frame:
        if self._undistortion is None:
            return replace(frame, camera=self.camera)
        image = self._undistortion.image(frame.image)
        depth_m = None if frame.depth_m is None else self._undistortion.depth(frame.depth_m)
        return replace(frame, image=image, depth_m=depth_m, camera=self.camera)
