"""The pose of a camera among known points, refined from a guess, and how well it is known."""

from __future__ import annotations

import numba
import numpy as np

from mapping.slam.rigid import inverse, orthonormal
from streammtl.camera import Camera

_ITERATIONS = 20
_STOP = 1e-7  # radians, and fractions of the typical depth
_UNDETERMINED = 1e12  # condition number of the normal equations


def refine(uv: np.ndarray, xyz: np.ndarray, camera: Camera, T_world_cam: np.ndarray) -> np.ndarray | None:
    """T_world_cam f64 [4,4] that fits pinhole pixels uv f64 [N,2] of points xyz f64 [N,3], or None where none does.

    Least squares with Cauchy's loss (1 px) by Levenberg and Marquardt's method, from a guess. Points behind the camera
    do not count. Source: Triggs et al., Bundle Adjustment: A Modern Synthesis, 2000, §§3.3 and 4.
    """
    pinhole = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
    T_cam_world, good = _minimise(
        np.ascontiguousarray(uv, np.float64), np.ascontiguousarray(xyz, np.float64), pinhole, inverse(T_world_cam)
    )
    # Each frame begins where the last one ended: without this, rounding would add up.
    return inverse(orthonormal(T_cam_world)) if good else None


def pose_covariance(uv: np.ndarray, xyz: np.ndarray, camera: Camera, T_world_cam: np.ndarray) -> np.ndarray | None:
    """Covariance f64 [6,6] of a pose that `refine` found from pinhole pixels uv f64 [N,2] of points xyz f64 [N,3].

    It is that of a turn w, radians, and a shift v of the camera's axes, X' = exp(w) X + v; to first order -v is the
    error of the camera's centre in its own axes. The points count as exact, so drift is not in it. None where too few
    points are before the camera, or where they leave the pose undetermined.
    Source: Huber, Robust Statistics, 1981, §7.6: (J^T J)^-1 times the variance of the loss's score over its mean slope.
    """
    pinhole = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
    uv, xyz = np.ascontiguousarray(uv, np.float64), np.ascontiguousarray(xyz, np.float64)
    H, square_score, slope, seen = _scores(uv, xyz, pinhole, inverse(T_world_cam))
    if seen < 4:
        return None
    variance = square_score / (2 * seen - 6) / (slope / seen) ** 2
    size = np.sqrt(np.diag(H))  # turns and shifts differ in unit: compare what is known of each with its own
    scaled = H / np.outer(size, size)
    if not np.isfinite(scaled).all() or np.linalg.cond(scaled) > _UNDETERMINED:
        return None
    return variance * np.linalg.inv(scaled) / np.outer(size, size)


@numba.njit(cache=True)
def _minimise(uv, xyz, pinhole, T):  # type: ignore[no-untyped-def]
    damping = 1e-4
    H, g, cost, seen = _normal_equations(uv, xyz, pinhole, T)
    if seen < 4:
        return T, False
    for _ in range(_ITERATIONS):
        damped = H.copy()
        for i in range(6):
            damped[i, i] += damping * H[i, i] + 1e-12
        step = np.linalg.solve(damped, -g)
        candidate = _moved(T, step)
        H_new, g_new, cost_new, seen_new = _normal_equations(uv, xyz, pinhole, candidate)
        if seen_new >= 4 and cost_new <= cost:
            T, H, g = candidate, H_new, g_new
            damping = max(0.1 * damping, 1e-9)
            converged = cost - cost_new < 1e-7 * cost
            cost = cost_new
            if converged or np.max(np.abs(step)) < _STOP:
                break
        else:
            damping *= 10.0
            if damping > 1e6:
                break
    return T, bool(np.all(np.isfinite(T)))


@numba.njit(cache=True)
def _normal_equations(uv, xyz, pinhole, T):  # type: ignore[no-untyped-def]
    """Gauss-Newton's matrix [6,6], gradient [6], robust cost per point, and the number of points before the camera.

    Steps are a turn and a shift of the camera's axes: X' = exp(w) X + v.
    """
    H, g = np.zeros((6, 6)), np.zeros(6)
    a, b = np.empty(6), np.empty(6)
    cost, seen = 0.0, 0
    for i in range(len(uv)):
        before, ru, rv = _residual(uv[i], xyz[i], pinhole, T, a, b)
        if not before:
            cost += 20.0  # as much as a far outlier: poses that leave points behind do not pay
            continue
        seen += 1
        square = ru * ru + rv * rv
        weight = 1.0 / (1.0 + square)
        cost += np.log1p(square)
        for r in range(6):
            g[r] += weight * (a[r] * ru + b[r] * rv)
            for c in range(r + 1):
                H[r, c] += weight * (a[r] * a[c] + b[r] * b[c])
    for r in range(6):
        for c in range(r):
            H[c, r] = H[r, c]
    return H, g, cost, seen


@numba.njit(cache=True)
def _residual(uv, xyz, pinhole, T, a, b):  # type: ignore[no-untyped-def]
    """Whether a point is before the camera, and its residual; a and b [6] become the slopes of the residual."""
    fx, fy, cx, cy = pinhole
    x = T[0, 0] * xyz[0] + T[0, 1] * xyz[1] + T[0, 2] * xyz[2] + T[0, 3]
    y = T[1, 0] * xyz[0] + T[1, 1] * xyz[1] + T[1, 2] * xyz[2] + T[1, 3]
    z = T[2, 0] * xyz[0] + T[2, 1] * xyz[1] + T[2, 2] * xyz[2] + T[2, 3]
    if z < 1e-6:
        return False, 0.0, 0.0
    xz, yz = x / z, y / z
    a[0], a[1], a[2], a[3], a[4], a[5] = -fx * xz * yz, fx * (1 + xz * xz), -fx * yz, fx / z, 0.0, -fx * xz / z
    b[0], b[1], b[2], b[3], b[4], b[5] = -fy * (1 + yz * yz), fy * xz * yz, fy * xz, 0.0, fy / z, -fy * yz / z
    return True, fx * xz + cx - uv[0], fy * yz + cy - uv[1]


@numba.njit(cache=True)
def _scores(uv, xyz, pinhole, T):  # type: ignore[no-untyped-def]
    """J^T J [6,6], the sum of the squared scores r / (1 + r^2) and of their slopes, and the number of points."""
    H = np.zeros((6, 6))
    a, b = np.empty(6), np.empty(6)
    square_score, slope, seen = 0.0, 0.0, 0
    for i in range(len(uv)):
        before, ru, rv = _residual(uv[i], xyz[i], pinhole, T, a, b)
        if not before:
            continue
        seen += 1
        square = ru * ru + rv * rv
        square_score += square / (1.0 + square) ** 2
        slope += 1.0 / (1.0 + square) ** 2  # mean over the two directions
        for r in range(6):
            for c in range(6):
                H[r, c] += a[r] * a[c] + b[r] * b[c]
    return H, square_score, slope, seen


@numba.njit(cache=True)
def _moved(T, step):  # type: ignore[no-untyped-def]
    """exp(w) T + v for a step [w, v]."""
    x, y, z = step[0], step[1], step[2]
    angle = np.sqrt(x * x + y * y + z * z)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    if angle < 1e-9:
        R = np.eye(3) + cross
    else:
        R = np.eye(3) + np.sin(angle) / angle * cross + (1.0 - np.cos(angle)) / angle**2 * (cross @ cross)
    moved = np.eye(4)
    moved[:3, :3] = R @ np.ascontiguousarray(T[:3, :3])
    moved[:3, 3] = R @ np.ascontiguousarray(T[:3, 3]) + step[3:]
    return moved
