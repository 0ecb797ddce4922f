"""The pose of a camera that sees few landmarks: candidates, of whose place only a direction is known, help.

A camera that turns into new ground loses its landmarks before it has the parallax to place new ones. Where a candidate
appears is known all the same, up to how far away it is: well across its epipolar line, badly along it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mapping.slam.colmap import AbsolutePose
from mapping.slam.rigid import aligning_rotation, inverse, orthonormal, rotation_matrix
from streammtl.camera import Camera

_SPREAD = 0.6  # standard deviation of a candidate's inverse depth, as a part of the one that is guessed
_LOSSES_PX = (10.0, 3.0, 1.0)  # scales of the robust loss, one after the other: the guess may be far off
_ITERATIONS = 30
_BEHIND = 1e6  # squared error of a point behind the camera


class Points:
    """Landmarks and candidates as homogeneous points f64: direction [N,3] and weight [N], the point at their quotient.

    `origin` [N,3] is where a candidate was seen from, `spread` [N] the standard deviation of its inverse depth from
    there: its point moves by origin and 1 where that inverse depth changes by 1. Both are 0 for landmarks.
    """

    def __init__(self, xyz: np.ndarray, rays: np.ndarray, T_world_ray: np.ndarray, depth: float) -> None:
        """Landmarks xyz f64 [L,3], then candidates on rays f64 [C,3], z = 1, of cameras at T_world_ray f64 [C,4,4];
        they are taken to be about `depth` away from these."""
        origin = T_world_ray[:, :3, 3]
        along = np.einsum("nij,nj->ni", T_world_ray[:, :3, :3], rays)
        self.direction = np.concatenate([xyz, along + origin / depth])
        self.weight = np.concatenate([np.ones(len(xyz)), np.full(len(rays), 1.0 / depth)])
        self.origin = np.concatenate([np.zeros_like(xyz), origin])
        self.spread = np.concatenate([np.zeros(len(xyz)), np.full(len(rays), _SPREAD / depth)])


def turn_between(rays0: np.ndarray, rays1: np.ndarray) -> np.ndarray:
    """Rotation f64 [3,3], camera 0 from camera 1, that fits best the half of the rays f64 [N,3] that it fits best."""
    rays0, rays1 = (rays / np.linalg.norm(rays, axis=1, keepdims=True) for rays in (rays0, rays1))
    use = np.ones(len(rays0), bool)
    for _ in range(5):
        R = aligning_rotation(rays1[use], rays0[use])
        off = np.linalg.norm(rays1 @ R.T - rays0, axis=1)
        use = off <= np.median(off)
    return R


@dataclass(frozen=True)
class Expected:
    """Where the camera should be by its motion: candidates alone do not tell how far it went."""

    centre: np.ndarray  # f64 [3]
    spread: float  # standard deviation


def scarce_pose(
    uv: np.ndarray,
    points: Points,
    camera: Camera,
    T_world_cam: np.ndarray,
    expected: Expected,
    max_error_px: float,
) -> AbsolutePose:
    """Pose that fits pinhole pixels uv f64 [N,2] of the points best, from a guess.

    Least squares with Cauchy's loss on errors measured by their covariance: 1 px, and what the depth of a candidate
    leaves open along its epipolar line. `inliers` are those of up to max_error_px standard deviations. Sources: Civera
    et al., Inverse Depth Parametrization for Monocular SLAM, T-RO 2008; Triggs et al., Bundle Adjustment, 2000, §3.3.
    """
    T = inverse(T_world_cam)
    for loss_px in _LOSSES_PX:
        T = _minimise(uv, points, camera, T, expected, loss_px)
    inliers = _normal_equations(uv, points, camera, T, expected, 1.0)[3] < max_error_px**2
    return AbsolutePose(inverse(orthonormal(T)), inliers)


def _minimise(
    uv: np.ndarray, points: Points, camera: Camera, T: np.ndarray, expected: Expected, loss_px: float
) -> np.ndarray:
    """T_cam_world by Levenberg and Marquardt's method."""
    damping = 1e-3
    H, g, cost, _ = _normal_equations(uv, points, camera, T, expected, loss_px)
    for _ in range(_ITERATIONS):
        step = np.linalg.solve(H + damping * np.diag(np.diag(H)) + 1e-12 * np.eye(6), -g)
        turn = rotation_matrix(step[:3])
        moved = np.eye(4)
        moved[:3, :3], moved[:3, 3] = turn @ T[:3, :3], turn @ T[:3, 3] + step[3:]
        H_new, g_new, cost_new, _ = _normal_equations(uv, points, camera, moved, expected, loss_px)
        if cost_new > cost:
            damping *= 10.0
            if damping > 1e6:
                break
            continue
        converged = cost - cost_new <= 1e-6 * cost
        T, H, g, cost, damping = moved, H_new, g_new, cost_new, max(0.1 * damping, 1e-9)
        if converged:
            break
    return T


def _normal_equations(
    uv: np.ndarray, points: Points, camera: Camera, T: np.ndarray, expected: Expected, loss_px: float
) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
    """Gauss-Newton's matrix [6,6] and gradient [6], the robust cost, and the squared error [N] in standard deviations.

    Steps are a turn and a shift of the camera's axes: X' = exp(w) X + v.
    """
    fx, fy = camera.fx, camera.fy
    R, t = T[:3, :3], T[:3, 3]
    X = points.direction @ R.T + points.weight[:, None] * t
    before = X[:, 2] > 1e-6
    z = np.where(before, X[:, 2], 1.0)
    x, y = X[:, 0] / z, X[:, 1] / z
    error = np.stack([fx * x + camera.cx - uv[:, 0], fy * y + camera.cy - uv[:, 1]], axis=1)
    slope = np.zeros((len(uv), 2, 3))  # of the pixel, by the point in the camera
    slope[:, 0, 0], slope[:, 0, 2] = fx / z, -fx * x / z
    slope[:, 1, 1], slope[:, 1, 2] = fy / z, -fy * y / z
    J = np.empty((len(uv), 2, 6))
    J[:, :, :3] = np.cross(X[:, None], slope)  # d(w x X) = w x X, and slope . (w x X) = w . (X x slope)
    J[:, :, 3:] = points.weight[:, None, None] * slope
    open_px = np.einsum("nij,nj->ni", slope, points.origin @ R.T + t) * points.spread[:, None]
    inverse_covariance = np.linalg.inv(np.eye(2) + open_px[:, :, None] * open_px[:, None, :])
    square = np.where(before, np.einsum("ni,nij,nj->n", error, inverse_covariance, error), _BEHIND)
    weight = np.where(before, 1.0 / (1.0 + square / loss_px**2), 0.0)
    weighted = weight[:, None, None] * (inverse_covariance @ J)
    cost = loss_px**2 * float(np.log1p(square / loss_px**2).sum())
    H, g = np.einsum("nij,nik->jk", J, weighted), np.einsum("nik,ni->k", weighted, error)
    # The expected centre as the camera sees it: a shift moves it, and a turn does not, where it is the camera's own.
    off = (R @ expected.centre + t) / expected.spread
    H[3:, 3:] += np.eye(3) / expected.spread**2
    g[3:] += off / expected.spread
    return H, g, cost + float(off @ off), square
