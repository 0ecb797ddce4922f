"""Frames of a distorted lens, resampled once so that everything behind sees a pinhole camera."""

from __future__ import annotations

import cv2
import numpy as np

from streammtl.camera import Camera


class Undistortion:
    """Resampling from a distorted camera to its pinhole twin (same size, focal lengths and centre).

    Image pixels are interpolated; depth takes the nearest pixel, since mixing two surfaces makes a third that is not
    there. Outside the source image the border is repeated and depth is 0.
    Convention: pixel centres at integers, as in OpenCV's maps.
    """

    def __init__(self, camera: Camera) -> None:
        self.pinhole = camera.to_pinhole()
        size = (camera.width, camera.height)
        if camera.model == "OPENCV_FISHEYE":
            self._maps = cv2.fisheye.initUndistortRectifyMap(
                camera.K, np.array(camera.distortion), np.eye(3), camera.K, size, cv2.CV_32FC1
            )
        else:
            coefficients = np.zeros(4)  # k1 k2 p1 p2; the radial models have fewer
            coefficients[: len(camera.distortion)] = camera.distortion
            self._maps = cv2.initUndistortRectifyMap(camera.K, coefficients, None, camera.K, size, cv2.CV_32FC1)

    def image(self, image: np.ndarray) -> np.ndarray:
        """u8 [H,W,3] as the pinhole camera would have taken it."""
        return cv2.remap(image, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def depth(self, depth_m: np.ndarray) -> np.ndarray:
        """f32 [H,W] metres on the pinhole grid, 0 where the source has none."""
        return cv2.remap(depth_m, *self._maps, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
