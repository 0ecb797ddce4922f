"""A length that the user knows, in the unit of the poses: between two cameras, or two points in images."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mapping.slam.rigid import inverse, moved_pose, scale_of, transform
from mapping.slam.scale_settings import ScaleSettings
from mapping.slam.tracked import SparsePoints, TrackedFrame

NEAREST = 12  # sparse points from which the depth at a pixel is taken
FEWEST = 6


@dataclass
class _End:
    """One end of the length: a point in the axes of a camera."""

    component: int
    T_world_cam: np.ndarray
    in_camera: np.ndarray  # f64 [3]
    sigma: float  # of its depth, relative to it

    @property
    def in_world(self) -> np.ndarray:
        return transform(self.T_world_cam, self.in_camera[None])[0]


@dataclass(frozen=True)
class Measured:
    """The known distance in the unit of the poses of a component, and its standard error relative to it."""

    component: int
    length: float
    sigma: float


class KnownDistance:
    """Looks for the two ends of `distance_m` among tracked frames, and follows what later frames make of their poses.

    Without `distance_pixels` the ends are the camera's centres.
    """

    def __init__(self, settings: ScaleSettings) -> None:
        self._frames = settings.distance_frames or ()
        self._pixels = settings.distance_pixels
        self._ends: dict[int, _End] = {}  # by place in distance_frames

    def take(self, tracked: TrackedFrame) -> None:
        """The next frame, with what it brings to earlier ones."""
        for end, frame in enumerate(self._frames):
            known = self._ends.get(end)
            if known is not None:
                self._follow(known, frame, tracked)
            T_world_cam = tracked.T_world_cam if tracked.index == frame else tracked.revised.get(frame)
            if T_world_cam is not None and known is None:
                found = self._at(end, tracked, frame)
                if found is not None:
                    self._ends[end] = _End(tracked.component, T_world_cam.copy(), *found)

    def _follow(self, end: _End, frame: int, tracked: TrackedFrame) -> None:
        correction = tracked.correction
        if correction is not None and correction.component == end.component:
            S = correction.at(frame)
            end.component, end.T_world_cam = correction.joined, moved_pose(S, end.T_world_cam)
            end.in_camera = end.in_camera * scale_of(S)
        if frame in tracked.revised:
            end.T_world_cam = tracked.revised[frame].copy()

    def _at(self, end: int, tracked: TrackedFrame, frame: int) -> tuple[np.ndarray, float] | None:
        """The point in the camera's axes, and the relative standard error of its depth."""
        if self._pixels is None:
            return np.zeros(3), 0.0
        if tracked.index != frame or tracked.points is None:
            return None
        return point_at(self._pixels[end], tracked.points, tracked.T_world_cam)

    def measured(self) -> Measured | None:
        """The distance once both ends are known in one component."""
        if len(self._ends) < 2:
            return None
        a, b = self._ends[0], self._ends[1]
        apart = a.in_world - b.in_world
        length = float(np.linalg.norm(apart))
        if a.component != b.component or not length > 0:
            return None
        errors = [end.sigma * (end.T_world_cam[:3, :3] @ end.in_camera) @ apart / length for end in (a, b)]
        return Measured(a.component, length, float(np.linalg.norm(errors)) / length)


def point_at(uv: tuple[float, float], points: SparsePoints, T_world_cam: np.ndarray) -> tuple[np.ndarray, float] | None:
    """What an image shows at a pixel, f64 [3] in the camera's axes, and the relative standard error of its depth.

    The surface is taken for a plane through the sparse points nearest to the pixel: inverse depth is linear in the
    pixel on a plane, and so is, of a pinhole camera, the ray. Points of other surfaces do not count. None with fewer
    than 6 points, or where the plane is behind the camera.
    """
    in_camera = transform(inverse(T_world_cam), points.xyz)
    usable = in_camera[:, 2] > 0
    offset, in_camera = points.uv[usable].astype(np.float64) - uv, in_camera[usable]
    nearest = np.argsort(np.linalg.norm(offset, axis=1), kind="stable")[:NEAREST]
    if len(nearest) < FEWEST:
        return None
    A = np.hstack([np.ones((len(nearest), 1)), offset[nearest]])
    near = in_camera[nearest]
    values = np.hstack([near[:, :2], np.ones((len(near), 1))]) / near[:, 2:]  # the ray, and inverse depth
    keep = _on_one_plane(A, values[:, 2])
    if keep.sum() < FEWEST:
        return None
    A, values = A[keep], values[keep]
    fit = np.linalg.lstsq(A, values, rcond=None)[0]
    if fit[0, 2] <= 0:
        return None
    variance = np.sum((A @ fit - values)[:, 2] ** 2) / (len(A) - 3)
    leverage = np.linalg.pinv(A.T @ A)[0, 0]  # at the pixel itself
    point = np.array([fit[0, 0], fit[0, 1], 1.0]) / fit[0, 2]
    return point, float(np.sqrt(variance * (1 + leverage)) / fit[0, 2])


def _on_one_plane(A: np.ndarray, inverse_depth: np.ndarray) -> np.ndarray:
    """Which points [n] lie on the plane through three of them that leaves the least median of distances.

    A f64 [n,3] are ones and pixel offsets; three robust deviations are on the plane.
    Source: Rousseeuw, Least Median of Squares Regression, 1984, with its correction for small samples.
    """
    triples = np.array(list(combinations(range(len(A)), 3)))
    corners = A[triples]
    sound = np.abs(np.linalg.det(corners)) > 1e-9
    planes = np.linalg.solve(corners[sound], inverse_depth[triples[sound]][..., None])[..., 0]
    off = np.abs(planes @ A.T - inverse_depth)
    median = np.median(off, axis=1)
    if not len(median):
        return np.zeros(len(A), bool)
    best = int(np.argmin(median))
    deviation = 1.4826 * (1 + 5 / max(len(A) - 3, 1)) * median[best]
    return off[best] <= 3 * max(deviation, 1e-9 * float(inverse_depth.max()))
