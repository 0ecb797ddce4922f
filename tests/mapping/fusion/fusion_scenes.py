"""Exact depth of planes and spheres, and observations of rough scenes, for the fusion tests."""

from __future__ import annotations

import numpy as np

from mapping.fusion.observation import DepthObservation
from streammtl.camera import Camera


def rotation(axis: tuple[float, float, float], angle: float) -> np.ndarray:
    """Rodrigues' formula."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def pose(position, axis=(0.0, 1.0, 0.0), angle=0.0) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = rotation(axis, angle), position
    return T


def small_camera(width: int = 40, height: int = 30) -> Camera:
    return Camera.pinhole(width, height, 0.9 * width, 0.88 * width, 0.49 * width, 0.51 * height)


def rays(camera: Camera, T: np.ndarray) -> np.ndarray:
    """Rays [h,w,3] in the grid's frame, of unit depth along the optical axis."""
    v, u = np.mgrid[: camera.height, : camera.width]
    directions = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u)], -1)
    return directions @ T[:3, :3].T


def plane_depth(camera: Camera, T: np.ndarray, normal: np.ndarray, offset: float) -> np.ndarray:
    """Depth f32 [h,w] of the plane normal . x = offset; 0 where the ray misses it."""
    with np.errstate(divide="ignore"):
        depth = (offset - normal @ T[:3, 3]) / (rays(camera, T) @ normal)
    return np.where(depth > 0, depth, 0).astype(np.float32)


def sphere_depth(camera: Camera, T: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """Depth f32 [h,w] of a sphere seen from outside; 0 beside it."""
    d = rays(camera, T)
    to_centre = centre - T[:3, 3]
    a, b, c = (d * d).sum(-1), d @ to_centre, to_centre @ to_centre - radius**2
    discriminant = b * b - a * c
    depth = (b - np.sqrt(np.maximum(discriminant, 0))) / a
    return np.where(discriminant > 0, depth, 0).astype(np.float32)


def rough_observation(seed: int, T: np.ndarray, camera: Camera, m: int = 2) -> DepthObservation:
    """Two surfaces with noise, holes, NaN, inf, odd confidences, boundaries and labels."""
    rng = np.random.default_rng(seed)
    h, w = camera.height, camera.width
    v, u = np.mgrid[:h, :w]
    depth = 0.6 + 0.1 * np.sin(u / 7 + seed) + 0.004 * v + rng.normal(0, 0.002, (h, w))
    depth[(u // 9 + v // 8) % 3 == 0] += 0.5
    depth[rng.random((h, w)) < 0.05] = 0
    depth[rng.random((h, w)) < 0.02] = np.nan
    depth[rng.random((h, w)) < 0.02] = np.inf
    confidence = rng.random((h, w))
    confidence[rng.random((h, w)) < 0.02] = np.nan
    return DepthObservation(
        depth_m=depth.astype(np.float32),
        image=rng.integers(0, 256, (h, w, 3)).astype(np.uint8),
        camera=camera,
        T_submap_cam=T,
        confidence=confidence.astype(np.float32),
        label_ids=rng.integers(0, 9, (h, w, m)).astype(np.uint8),
        label_probabilities=rng.random((h, w, m)).astype(np.float32),
    )


def plain_observation(depth: np.ndarray, camera: Camera, T: np.ndarray, **more) -> DepthObservation:
    """A grey observation of this depth."""
    return DepthObservation(depth, np.full((*depth.shape, 3), 128, np.uint8), camera, T, **more)
