"""Camera intrinsics as in COLMAP's models, on the integer-centre pixel grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streammtl.errors import CameraError

# COLMAP model name -> (parameters before the distortion, distortion parameters)
CAMERA_MODELS = {
    "SIMPLE_PINHOLE": (3, 0),
    "PINHOLE": (4, 0),
    "SIMPLE_RADIAL": (3, 1),
    "RADIAL": (3, 2),
    "OPENCV": (4, 4),
    "OPENCV_FISHEYE": (4, 4),
}


@dataclass(frozen=True)
class Camera:
    """A camera model with its image size.

    `params` are ordered as in COLMAP: (f | fx, fy), cx, cy, distortion.
    Convention: pixel centres at integers, so the centre of the first pixel is (0, 0). COLMAP puts it at (0.5, 0.5);
    the one file that talks to pycolmap adds the half pixel.
    Raises: CameraError for an unknown model, a wrong number of parameters, or values no camera has.
    """

    model: str
    width: int
    height: int
    params: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.model not in CAMERA_MODELS:
            raise CameraError(f"camera model {self.model!r} is unknown; use one of {', '.join(CAMERA_MODELS)}.")
        expected = sum(CAMERA_MODELS[self.model])
        if len(self.params) != expected:
            raise CameraError(f"camera model {self.model} takes {expected} parameters, got {len(self.params)}.")
        if self.width < 1 or self.height < 1:
            raise CameraError(f"image size {self.width}x{self.height} is not a size; width and height start at 1.")
        if not np.isfinite(self.params).all() or self.fx <= 0 or self.fy <= 0:
            raise CameraError(f"focal lengths must be positive and finite, got params {self.params}.")

    @classmethod
    def pinhole(cls, width: int, height: int, fx: float, fy: float, cx: float, cy: float) -> Camera:
        return cls("PINHOLE", int(width), int(height), (float(fx), float(fy), float(cx), float(cy)))

    @property
    def _pinhole_params(self) -> tuple[float, float, float, float]:
        if CAMERA_MODELS[self.model][0] == 3:
            f, cx, cy = self.params[:3]
            return f, f, cx, cy
        fx, fy, cx, cy = self.params[:4]
        return fx, fy, cx, cy

    @property
    def fx(self) -> float:
        return self._pinhole_params[0]

    @property
    def fy(self) -> float:
        return self._pinhole_params[1]

    @property
    def cx(self) -> float:
        return self._pinhole_params[2]

    @property
    def cy(self) -> float:
        return self._pinhole_params[3]

    @property
    def distortion(self) -> tuple[float, ...]:
        return self.params[CAMERA_MODELS[self.model][0] :]

    @property
    def is_pinhole(self) -> bool:
        return not any(self.distortion) and self.model != "OPENCV_FISHEYE"

    @property
    def K(self) -> np.ndarray:
        """[3,3] f64 intrinsic matrix in pixels of this image size, integer-centre grid."""
        fx, fy, cx, cy = self._pinhole_params
        return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])

    def to_pinhole(self) -> Camera:
        """The same camera with its distortion dropped; images must be resampled to match."""
        return Camera.pinhole(self.width, self.height, *self._pinhole_params)

    def scaled(self, width: int, height: int) -> Camera:
        """The camera of the image resized to width x height, with the half pixel that the integer-centre grid needs."""
        sx, sy = width / self.width, height / self.height
        fx, fy, cx, cy = self._pinhole_params
        cx, cy = (cx + 0.5) * sx - 0.5, (cy + 0.5) * sy - 0.5
        if CAMERA_MODELS[self.model][0] == 4:
            return Camera(self.model, width, height, (fx * sx, fy * sy, cx, cy, *self.distortion))
        if not np.isclose(sx, sy, rtol=1e-3):
            raise CameraError(
                f"{self.model} has one focal length; {self.width}x{self.height} to {width}x{height} would need two. "
                "Keep the aspect ratio, or use PINHOLE or OPENCV."
            )
        return Camera(self.model, width, height, (fx * sx, cx, cy, *self.distortion))

    def cropped(self, x: int, y: int, width: int, height: int) -> Camera:
        """The camera of the window whose first pixel is (x, y)."""
        fx, fy, cx, cy = self._pinhole_params
        focal = (fx, fy) if CAMERA_MODELS[self.model][0] == 4 else (fx,)
        return Camera(self.model, width, height, (*focal, cx - x, cy - y, *self.distortion))
