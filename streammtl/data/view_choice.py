"""Which frames of a clip are the sources of a reference: what the keyframe selector would hand over, with its luck."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from streammtl.data.footage import FrameGeometry

TOO_CLOSE_FACTOR = 5.0  # as the selector weighs too little parallax
GRID = (9, 12)  # rays that overlap is judged by


class ViewChoiceSettings(BaseModel):
    """How sources are drawn. Ranges are drawn anew for every sample, so that many selectors are met."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source_shares: tuple[float, ...] = Field(
        (0.1, 0.2, 0.5, 0.15, 0.05), description="share of batches with 0, 1, 2, ... sources", min_length=1
    )
    missing_share: float = Field(0.1, description="share of sources that are masked out", ge=0, le=1)
    repeated_share: float = Field(0.03, description="share of sources that show the frame of another one", ge=0, le=1)
    causal_share: float = Field(0.5, description="share of samples with earlier frames as sources only", ge=0, le=1)
    candidate_share: tuple[float, float] = Field(
        (0.3, 1.0), description="share of a clip's frames that may be sources: not every frame becomes a keyframe"
    )
    best_baseline_m: tuple[float, float] = Field((0.07, 0.25), description="baseline taken for the best, metres")
    baseline_m: tuple[float, float] = Field((0.025, 0.5), description="least and largest baseline, metres")
    max_angle_deg: float = Field(35.0, description="largest turn between reference and source, degrees", gt=0, le=180)
    min_overlap: float = Field(0.35, description="share of the reference that a source must see", ge=0, le=1)

    @model_validator(mode="after")
    def _shares_are_shares(self) -> ViewChoiceSettings:
        if min(self.source_shares) < 0 or not sum(self.source_shares) > 0:
            raise ValueError(f"source_shares {self.source_shares} must be 0 or more, and not all 0")
        return self

    def draw_count(self, rng: np.random.Generator) -> int:
        """How many sources a batch has."""
        shares = np.asarray(self.source_shares)
        return int(rng.choice(len(shares), p=shares / shares.sum()))


def choose_sources(
    frames: FrameGeometry,
    reference: int,
    depth_m: float,
    count: int,
    settings: ViewChoiceSettings,
    rng: np.random.Generator,
) -> list[int]:
    """At most `count` frames, best first, by the selector's penalty R² + (t - best)², five-fold below the best.

    depth_m: typical depth of the reference, at which overlap is judged.
    """
    T_ref_world = np.linalg.inv(frames.T_world_cam[reference])
    relative = T_ref_world @ frames.T_world_cam  # [F,4,4] T_ref_frame
    baseline = np.linalg.norm(relative[:, :3, 3], axis=1)
    trace = np.minimum(np.trace(relative[:, :3, :3], axis1=1, axis2=2), 3.0)
    angle_deg = np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1)))
    allowed = (baseline >= settings.baseline_m[0]) & (baseline <= settings.baseline_m[1])
    allowed &= angle_deg <= settings.max_angle_deg
    if rng.random() < settings.causal_share:
        allowed &= np.arange(len(baseline)) < reference
    share = rng.uniform(*settings.candidate_share)
    allowed &= rng.random(len(baseline)) < share
    best = np.exp(rng.uniform(*np.log(settings.best_baseline_m)))
    parallax = (baseline - best) ** 2
    penalty = 2 * (1 - trace / 3) + np.where(baseline < best, TOO_CLOSE_FACTOR * parallax, parallax)
    chosen = []
    for frame in np.argsort(np.where(allowed, penalty, np.inf), kind="stable")[: allowed.sum()]:
        if len(chosen) == count:
            break
        if overlap(frames, np.linalg.inv(relative[frame]), depth_m) >= settings.min_overlap:
            chosen.append(int(frame))
    return chosen


def overlap(frames: FrameGeometry, T_source_ref: np.ndarray, depth_m: float) -> float:
    """Share of the reference's pixels that a source sees if all lay at `depth_m`."""
    height, width = frames.size
    v, u = np.meshgrid(np.linspace(0, height - 1, GRID[0]), np.linspace(0, width - 1, GRID[1]), indexing="ij")
    K = frames.K.astype(np.float64)
    rays = np.linalg.inv(K) @ np.stack((u.ravel(), v.ravel(), np.ones(u.size)))
    points = K @ (T_source_ref[:3, :3] @ (rays * depth_m) + T_source_ref[:3, 3:])
    z = np.where(points[2] > 1e-3, points[2], np.inf)
    x, y = points[0] / z, points[1] / z
    inside = (points[2] > 1e-3) & (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return float(inside.mean())
