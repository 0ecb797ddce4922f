"""One frame as fusion takes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from streammtl.camera import Camera
from streammtl.errors import CameraError, GeometryError, ShapeError


@dataclass(frozen=True)
class DepthObservation:
    """Depth of one posed frame, with everything that decides how it is fused. All arrays lie on one h x w pixel grid.

    Convention: OpenCV axes, pixel centres at integers; depth in metres along the optical axis. Label ids run
    from 1; 0 means no label.
    """

    depth_m: np.ndarray  # f32 [h,w]; 0, NaN and inf = none
    image: np.ndarray  # u8 [h,w,3] RGB
    camera: Camera  # pinhole, of the h x w grid
    T_submap_cam: np.ndarray  # f64 [4,4]
    confidence: np.ndarray | None = None  # f32 [h,w] in [0,1]
    label_ids: np.ndarray | None = None  # u8 [h,w,m]
    label_probabilities: np.ndarray | None = None  # f32 [h,w,m]; None: every label counts fully

    def check(self) -> None:
        """Raises: ShapeError, CameraError or GeometryError, naming the part that does not fit."""
        if self.depth_m.ndim != 2:
            raise ShapeError(f"depth_m has shape {self.depth_m.shape}; one image [h,w] is expected.")
        h, w = self.depth_m.shape
        if (self.camera.height, self.camera.width) != (h, w) or not self.camera.is_pinhole:
            raise CameraError(
                f"depth_m is {w}x{h} but its camera is {self.camera.model} {self.camera.width}x{self.camera.height}; "
                "fusion takes a pinhole camera of the depth's own size. Undistort, then use Camera.scaled."
            )
        labels = self.label_ids if self.label_ids is not None else self.label_probabilities
        m = 0 if labels is None else labels.shape[-1]
        allowed = {
            "image": [(h, w, 3)],
            "confidence": [(h, w)],
            "label_ids": [(h, w, m)],
            "label_probabilities": [(h, w, m)] if self.label_ids is not None else [],
        }
        for name, shapes in allowed.items():
            value = getattr(self, name)
            if value is not None and value.shape not in shapes:
                raise ShapeError(
                    f"{name} has shape {value.shape}; for depth of {h}x{w} one of {shapes or 'none'} is expected."
                )
        for name in ("image", "label_ids"):
            value = getattr(self, name)
            if value is not None and value.dtype != np.uint8:
                raise ShapeError(f"{name} is {value.dtype}; uint8 is expected.")
        check_rigid(self.T_submap_cam, "T_submap_cam")


def check_rigid(T: np.ndarray, name: str) -> None:
    """Raises GeometryError unless T is a finite [4,4] rotation and translation."""
    if T.shape != (4, 4) or not np.isfinite(T).all():
        raise GeometryError(f"{name} must be a finite 4x4 matrix, got shape {T.shape} with values {T.tolist()}.")
    if not _is_rigid(np.asarray(T, np.float64)):
        raise GeometryError(
            f"{name} is not a rotation and a translation; scale and shear must be taken out first: {T.tolist()}."
        )


@njit(cache=True, nogil=True)
def _is_rigid(T):
    """In plain loops: this is asked for every frame, and calls of BLAS and LAPACK cost many times more."""
    for i in range(3):
        for j in range(3):
            product = T[i, 0] * T[j, 0] + T[i, 1] * T[j, 1] + T[i, 2] * T[j, 2]
            if abs(product - (1.0 if i == j else 0.0)) > 1e-4:
                return False
    volume = T[0, 0] * (T[1, 1] * T[2, 2] - T[1, 2] * T[2, 1])
    volume += T[0, 1] * (T[1, 2] * T[2, 0] - T[1, 0] * T[2, 2])
    volume += T[0, 2] * (T[1, 0] * T[2, 1] - T[1, 1] * T[2, 0])
    return volume > 0 and T[3, 0] == 0 and T[3, 1] == 0 and T[3, 2] == 0 and T[3, 3] == 1
