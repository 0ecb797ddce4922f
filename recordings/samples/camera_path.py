"""The walk through the room: a smooth curve with steps and a trembling hand. Deterministic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

Array = np.ndarray

FRAMES, FRAMES_PER_SECOND = 300, 30.0
WIDTH, HEIGHT, FOCAL_PX = 640, 480, 525.0
CENTRE_PX = (319.5, 239.5)

# Time (s), x, y, z (m), heading (degrees from east, counter-clockwise), downward pitch (degrees).
KEYS = np.array(
    [
        [0.0, 1.00, 1.95, 1.52, 42.0, 11.0],
        [1.5, 1.42, 1.42, 1.50, 47.0, 12.0],
        [3.0, 2.02, 1.05, 1.46, 58.0, 13.0],
        [4.5, 2.72, 0.92, 1.44, 76.0, 13.5],
        [6.0, 3.38, 0.94, 1.45, 96.0, 13.0],
        [7.5, 3.90, 1.06, 1.48, 116.0, 12.0],
        [9.0, 4.12, 1.40, 1.52, 137.0, 11.5],
        [10.0, 4.05, 1.78, 1.53, 152.0, 12.0],
    ]
)
# Steps: vertical bob and sideways sway (m). Hand: rotation wobble (degrees) of yaw, pitch and roll.
STEP_HZ, BOB_M, SWAY_M = 1.75, 0.011, 0.010
HAND_DEG = (0.55, 0.45, 0.40)


@dataclass(frozen=True)
class CameraPath:
    """Poses at any time; world is z up, camera axes are OpenCV's (x right, y down, z forward)."""

    spline: CubicSpline
    wobble: Array

    @classmethod
    def walk(cls, seed: int = 3) -> CameraPath:
        rng = np.random.default_rng(seed)
        # Per axis: frequency (Hz), phase, amplitude of six sinusoids; a hand's tremor falls with frequency.
        frequency = np.sort(rng.uniform(0.35, 4.5, (3, 6)), axis=1)
        amplitude = 1.0 / (0.6 + frequency) ** 1.3
        amplitude *= np.array(HAND_DEG)[:, None] / np.sqrt(0.5 * (amplitude**2).sum(axis=1, keepdims=True))
        return cls(CubicSpline(KEYS[:, 0], KEYS[:, 1:]), np.stack([frequency, rng.uniform(0, 7, (3, 6)), amplitude]))

    def pose(self, time_s: float) -> Array:
        """T_world_cam [4,4], camera to world, metres."""
        x, y, z, heading, pitch = self.spline(time_s)
        frequency, phase, amplitude = self.wobble
        yaw_wobble, pitch_wobble, roll = (amplitude * np.sin(2 * np.pi * frequency * time_s + phase)).sum(axis=1)
        heading, pitch, roll = np.deg2rad([heading + yaw_wobble, pitch + pitch_wobble, roll])
        forward = np.array([np.cos(heading) * np.cos(pitch), np.sin(heading) * np.cos(pitch), -np.sin(pitch)])
        right = np.array([np.sin(heading), -np.cos(heading), 0.0])
        down = np.cross(forward, right)
        level = np.stack([right, down, forward], axis=1)
        spin = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        matrix = np.eye(4)
        matrix[:3, :3] = level @ spin
        sway = SWAY_M * np.sin(np.pi * STEP_HZ * time_s + 0.4)
        matrix[:3, 3] = np.array([x, y, z + BOB_M * np.sin(2 * np.pi * STEP_HZ * time_s)]) + sway * right
        return matrix


def pixel_rays(pose: Array, x: Array, y: Array) -> Array:
    """Rays [n,6] float32 (origin, unit direction, world) through pixel positions; integers are pixel centres."""
    local = np.empty((x.size, 3), np.float32)
    local[:, 0], local[:, 1] = (x.ravel() - CENTRE_PX[0]) / FOCAL_PX, (y.ravel() - CENTRE_PX[1]) / FOCAL_PX
    local[:, 2] = 1.0
    local /= np.sqrt(np.einsum("nk,nk->n", local, local))[:, None]
    rays = np.empty((x.size, 6), np.float32)
    rays[:, :3] = pose[:3, 3]
    rays[:, 3:] = local @ pose[:3, :3].T.astype(np.float32)
    return rays
