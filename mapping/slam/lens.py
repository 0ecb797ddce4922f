"""Between the pixels of an image and those an ideal pinhole camera would have seen."""

from __future__ import annotations

import cv2
import numpy as np

from mapping.slam.rigid import inverse, transform
from streammtl.camera import Camera


class Lens:
    """Distortion of a camera, as functions on pixels f64 [N,2] with integer centres.

    Geometry works on ideal pixels: those of `pinhole`, the same camera without distortion.
    """

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.pinhole = camera.to_pinhole()
        # Images are no less sharp for being small: at 320 pixels across, 3 would hide what moves slowly.
        self.tolerance_px = float(np.clip(3.0 * camera.width / 640, 1.5, 3.0))  # of where a landmark is seen
        self._fisheye = camera.model == "OPENCV_FISHEYE"
        # OpenCV's order is k1 k2 p1 p2, as COLMAP's; the radial models fill it up with zeros.
        self._distortion = np.array([*camera.distortion, 0.0, 0.0, 0.0, 0.0][:4])

    def to_ideal(self, uv: np.ndarray) -> np.ndarray:
        """Where an ideal pinhole camera would have seen what the image shows at uv."""
        if self.camera.is_pinhole or not len(uv):
            return uv
        pixels = np.ascontiguousarray(uv, dtype=np.float64).reshape(-1, 1, 2)
        undistort = cv2.fisheye.undistortPoints if self._fisheye else cv2.undistortPoints
        return undistort(pixels, self.camera.K, self._distortion, P=self.camera.K).reshape(-1, 2)

    def to_image(self, uv_ideal: np.ndarray) -> np.ndarray:
        """Inverse of to_ideal."""
        if self.camera.is_pinhole or not len(uv_ideal):
            return uv_ideal
        rays = (uv_ideal - [self.camera.cx, self.camera.cy]) / [self.camera.fx, self.camera.fy]
        if self._fisheye:
            return cv2.fisheye.distortPoints(rays.reshape(-1, 1, 2), self.camera.K, self._distortion).reshape(-1, 2)
        points = np.concatenate([rays, np.ones((len(rays), 1))], axis=1)
        return cv2.projectPoints(points, np.zeros(3), np.zeros(3), self.camera.K, self._distortion)[0].reshape(-1, 2)

    def rays(self, uv_ideal: np.ndarray) -> np.ndarray:
        """Directions f64 [N,3] with z = 1 of ideal pixels, in the camera."""
        xy = (uv_ideal - [self.camera.cx, self.camera.cy]) / [self.camera.fx, self.camera.fy]
        return np.concatenate([xy, np.ones((len(xy), 1))], axis=1)

    def project(self, xyz: np.ndarray, T_world_cam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ideal pixels f64 [N,2] and depths f64 [N] of world points; pixels are NaN where the depth is not positive."""
        in_camera = transform(inverse(T_world_cam), xyz)
        z = in_camera[:, 2]
        safe = np.where(z > 1e-6, z, np.nan)[:, None]
        uv = in_camera[:, :2] / safe * [self.camera.fx, self.camera.fy] + [self.camera.cx, self.camera.cy]
        return uv, z
