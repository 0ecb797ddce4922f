"""Cameras and poses on their way to pycolmap and back.

COLMAP's poses are world-to-camera and its pixel origin is the corner of the first pixel, half a pixel from ours.
"""

from __future__ import annotations

import numpy as np

import streammtl  # noqa: F401  loads zlib before pycolmap does
from mapping.slam.rigid import inverse
from streammtl.camera import CAMERA_MODELS, Camera

import pycolmap  # isort: skip


def to_colmap(camera: Camera, camera_id: int = 1) -> pycolmap.Camera:
    """COLMAP's camera: the principal point moves by half a pixel."""
    params = list(camera.params)
    first = CAMERA_MODELS[camera.model][0] - 2  # cx and cy follow the focal lengths
    params[first] += 0.5
    params[first + 1] += 0.5
    return pycolmap.Camera(
        model=camera.model, width=camera.width, height=camera.height, params=params, camera_id=camera_id
    )


def to_rigid(T: np.ndarray) -> pycolmap.Rigid3d:
    """A rigid transform [4,4], the same way round."""
    return pycolmap.Rigid3d(np.ascontiguousarray(T[:3]))


def to_matrix(rigid: pycolmap.Rigid3d) -> np.ndarray:
    """Inverse of to_rigid."""
    return np.vstack([rigid.matrix(), [0.0, 0.0, 0.0, 1.0]])


def from_world(cam_from_world: pycolmap.Rigid3d) -> np.ndarray:
    """T_world_cam f64 [4,4]."""
    return inverse(to_matrix(cam_from_world))
