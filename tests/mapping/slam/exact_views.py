"""A camera without distortion, and poses, for tests that project points exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mapping.slam.lens import Lens
from mapping.slam.rigid import rotation_matrix
from streammtl.camera import Camera

CAMERA = Camera.pinhole(640, 480, 500.0, 505.0, 317.0, 242.0)
LENS = Lens(CAMERA)


def pose(turn: Sequence[float], position: Sequence[float]) -> np.ndarray:
    """T_world_cam [4,4] from a rotation vector and a centre."""
    T = np.eye(4)
    T[:3, :3] = rotation_matrix(np.array(turn, float))
    T[:3, 3] = position
    return T
