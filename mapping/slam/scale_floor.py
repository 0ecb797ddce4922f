"""The floor among the sparse points of keyframes, and the camera's height above it."""

from __future__ import annotations

import numpy as np

from mapping.slam.rigid import inverse, transform
from mapping.slam.view_selection import ViewTuple

MOST_POINTS = 1500  # the latest are kept
MIN_SUPPORT = 25  # points on the floor
MAX_TILT_DEG = 50.0  # of the camera's vertical axis against the floor's normal
THICKNESS = 0.03  # of the camera's height: what still lies on the floor
MAX_BELOW = 0.03  # share of all points that may lie below the floor, by error
TRIALS = 400


class FloorFinder:
    """Gathers sparse points of keyframes, component by component."""

    def __init__(self) -> None:
        self._points = np.zeros((0, 3))
        self._component = -1

    def height(self, views: ViewTuple) -> float | None:
        """Distance of the camera from the floor in the unit of the poses, None where no floor stands out.

        The floor is the plane, level within 50 degrees of the camera's own horizon, that most points lie on and hardly
        any lies below.
        """
        if views.component != self._component:
            self._points, self._component = np.zeros((0, 3)), views.component
        camera, T_world_cam = views.reference.camera, views.reference.T_world_cam
        depth = views.points_depth[:, None]
        xy = (views.points_uv - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
        seen = np.concatenate([xy * depth, depth], axis=1)[views.points_depth > 0]
        self._points = np.concatenate([self._points, transform(T_world_cam, seen)])[-MOST_POINTS:]
        return floor_distance(transform(inverse(T_world_cam), self._points))


def floor_distance(points: np.ndarray) -> float | None:
    """Distance of the origin from the floor among points f64 [N,3] in camera axes (y down), or None.

    Planes through three random points (seeded) are tried; the best is refined once by least squares.
    """
    if len(points) < MIN_SUPPORT:
        return None
    rng = np.random.default_rng(0)
    best, support = None, MIN_SUPPORT - 1
    for corners in points[rng.integers(0, len(points), (TRIALS, 3))]:
        plane = _plane(corners)
        if plane is None:
            continue
        on = _supporters(points, *plane)
        if on is not None and on.sum() > support:
            best, support = on, int(on.sum())
    if best is None:
        return None
    centre = points[best].mean(axis=0)
    down = np.linalg.svd(points[best] - centre)[2][2]
    distance = float(abs(down @ centre))
    return distance if distance > 0 else None


def _plane(corners: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Unit normal that points down, and distance, of the plane through corners [3,3]; None if it is no floor."""
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    length = float(np.linalg.norm(normal))
    if length < 1e-12:
        return None
    down = normal / length if normal[1] > 0 else -normal / length
    distance = float(down @ corners[0])
    level = down[1] > np.cos(np.radians(MAX_TILT_DEG))
    return (down, distance) if level and distance > 0 else None


def _supporters(points: np.ndarray, down: np.ndarray, distance: float) -> np.ndarray | None:
    """Which points lie on the plane, None when too many lie below it."""
    below = points @ down - distance
    if (below > 2 * THICKNESS * distance).mean() > MAX_BELOW:
        return None
    return np.abs(below) < THICKNESS * distance
