"""The pose of a camera among known points, refined from a guess."""

from __future__ import annotations

import numba
import numpy as np

from mapping.slam.rigid import inverse
from streammtl.camera import Camera

_ITERATIONS = 20
_STOP = 1e-7  # radians, and fractions of the typical depth


def refine(uv: np.ndarray, xyz: np.ndarray, camera: Camera, T_world_cam: np.ndarray) -> np.ndarray | None:
    """T_world_cam f64 [4,4] that fits pinhole pixels uv f64 [N,2] of points xyz f64 [N,3], or None where none does.

    Least squares with Cauchy's loss (1 px) by Levenberg and Marquardt's method, from a guess. Points behind the camera
    do not count. Source: Triggs et al., Bundle Adjustment: A Modern Synthesis, 2000, §§3.3 and 4.
    """
    pinhole = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
    T_cam_world, good = _minimise(
        np.ascontiguousarray(uv, np.float64), np.ascontiguousarray(xyz, np.float64), pinhole, inverse(T_world_cam)
    )
    return inverse(T_cam_world) if good else None


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
    fx, fy, cx, cy = pinhole
    H, g = np.zeros((6, 6)), np.zeros(6)
    a, b = np.empty(6), np.empty(6)
    cost, seen = 0.0, 0
    for i in range(len(uv)):
        x = T[0, 0] * xyz[i, 0] + T[0, 1] * xyz[i, 1] + T[0, 2] * xyz[i, 2] + T[0, 3]
        y = T[1, 0] * xyz[i, 0] + T[1, 1] * xyz[i, 1] + T[1, 2] * xyz[i, 2] + T[1, 3]
        z = T[2, 0] * xyz[i, 0] + T[2, 1] * xyz[i, 1] + T[2, 2] * xyz[i, 2] + T[2, 3]
        if z < 1e-6:
            cost += 20.0  # as much as a far outlier: poses that leave points behind do not pay
            continue
        seen += 1
        xz, yz = x / z, y / z
        ru, rv = fx * xz + cx - uv[i, 0], fy * yz + cy - uv[i, 1]
        square = ru * ru + rv * rv
        weight = 1.0 / (1.0 + square)
        cost += np.log1p(square)
        a[0], a[1], a[2], a[3], a[4], a[5] = -fx * xz * yz, fx * (1 + xz * xz), -fx * yz, fx / z, 0.0, -fx * xz / z
        b[0], b[1], b[2], b[3], b[4], b[5] = -fy * (1 + yz * yz), fy * xz * yz, fy * xz, 0.0, fy / z, -fy * yz / z
        for r in range(6):
            g[r] += weight * (a[r] * ru + b[r] * rv)
            for c in range(r + 1):
                H[r, c] += weight * (a[r] * a[c] + b[r] * b[c])
    for r in range(6):
        for c in range(r):
            H[c, r] = H[r, c]
    return H, g, cost, seen


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
