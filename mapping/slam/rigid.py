"""Rigid transforms as f64 [4,4] matrices, and similarities: the same with a scale in the rotation block."""

from __future__ import annotations

import numpy as np


def inverse(T: np.ndarray) -> np.ndarray:
    """Inverse of rigid transforms [...,4,4], by transposition."""
    result = np.zeros_like(T)
    rotation_T = np.swapaxes(T[..., :3, :3], -1, -2)
    result[..., :3, :3] = rotation_T
    result[..., :3, 3] = -(rotation_T @ T[..., :3, 3, None])[..., 0]
    result[..., 3, 3] = 1.0
    return result


def orthonormal(T: np.ndarray) -> np.ndarray:
    """The rigid transform [4,4] nearest to one whose rotation has lost its right angles to rounding."""
    U, _, Vt = np.linalg.svd(T[:3, :3])
    result = T.copy()
    result[:3, :3] = U @ Vt
    return result


def transform(T: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points [N,3] moved by one transform [4,4]."""
    return points @ T[:3, :3].T + T[:3, 3]


def rotation_vector(R: np.ndarray) -> np.ndarray:
    """Axis times angle [3], radians, of a rotation [3,3]; angles up to pi."""
    skew = np.array([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]])
    sine, cosine = 0.5 * np.linalg.norm(skew), 0.5 * (np.trace(R) - 1.0)
    angle = float(np.arctan2(sine, cosine))
    if sine > 1e-9:
        return skew * (0.5 * angle / sine)
    if cosine > 0:
        return 0.5 * skew
    axis = np.sqrt(np.maximum(0.5 * (np.diag(R) + 1.0), 0.0))  # half a turn: the axis is known up to its sign
    largest = int(np.argmax(axis))
    signs = np.where(R[largest] + R[:, largest] < 0, -1.0, 1.0)
    signs[largest] = 1.0
    return angle * axis * signs / np.linalg.norm(axis)


def rotation_matrix(vector: np.ndarray) -> np.ndarray:
    """Rotation [3,3] about a vector [3] by its length in radians (Rodrigues' formula)."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    if angle < 1e-9:
        return np.eye(3) + cross
    return np.eye(3) + np.sin(angle) / angle * cross + (1.0 - np.cos(angle)) / angle**2 * (cross @ cross)


def aligning_rotation(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Rotation [3,3] that brings directions [N,3] nearest to others [N,3], in least squares.

    Source: Kabsch, A solution for the best rotation to relate two sets of vectors, 1976.
    """
    U, _, Vt = np.linalg.svd(after.T @ before)
    return U @ np.diag([1.0, 1.0, np.sign(np.linalg.det(U @ Vt))]) @ Vt


def scaled_motion(T: np.ndarray, factor: float) -> np.ndarray:
    """A motion [4,4] stretched in time: rotation angle and translation times `factor`."""
    result = np.eye(4)
    result[:3, :3] = rotation_matrix(rotation_vector(T[:3, :3]) * factor)
    result[:3, 3] = T[:3, 3] * factor
    return result


def rotation_angle_deg(R: np.ndarray) -> float:
    """Angle of a rotation [3,3], degrees."""
    return float(np.degrees(np.linalg.norm(rotation_vector(R))))


def similarity(T: np.ndarray, scale: float) -> np.ndarray:
    """A rigid transform [4,4] whose rotation block is multiplied by a scale: x -> scale R x + t."""
    result = T.copy()
    result[:3, :3] *= scale
    return result


def scale_of(S: np.ndarray) -> np.ndarray:
    """Scale [...] of similarities [...,4,4]."""
    return np.cbrt(np.linalg.det(S[..., :3, :3]))


def moved_pose(S: np.ndarray, T_world_cam: np.ndarray) -> np.ndarray:
    """Poses [...,4,4] in a world moved by similarities [...,4,4]: centres move and stretch, rotations only turn."""
    result = S @ T_world_cam
    result[..., :3, :3] /= scale_of(S)[..., None, None]
    return result
