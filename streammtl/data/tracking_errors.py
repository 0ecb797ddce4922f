"""What tracking gets wrong: poses a little off, or altogether; the focal length; depth limits from a few points."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class TrackingErrorSettings(BaseModel):
    """Errors of poses, intrinsics and depth limits; zeros give the exact ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exact_share: float = Field(0.3, description="share of samples without pose errors", ge=0, le=1)
    position_m: float = Field(0.003, description="standard deviation of a source's position per axis, metres", ge=0)
    angle_deg: float = Field(0.12, description="standard deviation of a source's turn per axis, degrees", ge=0)
    wrong_share: float = Field(0.015, description="share of sources whose pose is wrong altogether", ge=0, le=1)
    wrong_factor: float = Field(25.0, description="times the usual error of such a pose", ge=1)
    focal: float = Field(0.008, description="standard deviation of the relative error of the focal length", ge=0)
    fixed_range_share: float = Field(
        0.35, description="share of samples whose depth limits are guessed, not measured", ge=0, le=1
    )
    fixed_near_m: tuple[float, float] = Field((0.25, 0.6), description="range of guessed near limits, metres")
    fixed_far_m: tuple[float, float] = Field((7.0, 12.0), description="range of guessed far limits, metres")
    margin: float = Field(0.25, description="widening of the measured limits, relative", ge=0, lt=1)
    points: tuple[int, int] = Field((20, 400), description="least and most sparse points the limits come from")


def disturb_pose(T_world_cam: np.ndarray, settings: TrackingErrorSettings, rng: np.random.Generator) -> np.ndarray:
    """The pose [4,4] moved and turned about its own centre."""
    factor = settings.wrong_factor if rng.random() < settings.wrong_share else 1.0
    T = np.eye(4)
    T[:3, :3] = rotation(rng.normal(0, np.radians(settings.angle_deg) * factor, 3))
    T[:3, 3] = rng.normal(0, settings.position_m * factor, 3)
    return T_world_cam @ T


def rotation(vector: np.ndarray) -> np.ndarray:
    """Rotation matrix [3,3] about `vector` by its length in radians (Rodrigues)."""
    angle = np.linalg.norm(vector)
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def depth_limits(depth_m: np.ndarray, settings: TrackingErrorSettings, rng: np.random.Generator) -> tuple[float, float]:
    """Near and far, metres: percentiles 2 and 98 of a few of the true depths with a margin, or a guess.

    depth_m: any number of depths of the reference, 0 where unknown.
    """
    known = depth_m[depth_m > 0]
    count = int(np.exp(rng.uniform(*np.log(settings.points))))
    if rng.random() < settings.fixed_range_share or len(known) < settings.points[0]:
        return float(rng.uniform(*settings.fixed_near_m)), float(rng.uniform(*settings.fixed_far_m))
    seen = rng.choice(known, count).astype(np.float64) * rng.normal(1, 0.01, count)
    low, high = np.percentile(seen, (2, 98))
    near = max(0.06, low * (1 - settings.margin))
    return float(near), float(max(high * (1 + settings.margin), near * 1.3))
