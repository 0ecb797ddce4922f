"""Which frames a model is judged on, and which earlier ones it may look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Protocol:
    """Multi-view depth; causal: sources are earlier frames only. Pixels of all references are pooled."""

    baselines_m: tuple[float, ...] = (0.15, 0.20, 0.10)  # of the sources, the most useful first
    least_m: float = 0.08
    most_m: float = 0.30
    max_angle_deg: float = 30.0
    window: int = 90  # frames back, and forward where that is allowed
    causal: bool = True
    near_m: float = 0.4  # given to the model
    far_m: float = 8.0
    counted_m: tuple[float, float] = (0.3, 8.0)  # true depths that count

    @property
    def most_sources(self) -> int:
        return len(self.baselines_m)


@dataclass(frozen=True)
class PosedImage:
    """A frame at the model's resolution. truth {task: [C,H,W] f32 or i64}, valid {task: bool [H,W]}."""

    image: np.ndarray  # u8 [H,W,3]
    K: np.ndarray  # f64 [3,3] of that resolution
    T_world_cam: np.ndarray | None  # f64 [4,4]
    truth: dict[str, np.ndarray] = field(default_factory=dict)
    valid: dict[str, np.ndarray] = field(default_factory=dict)


def choose_sources(poses: Sequence[np.ndarray | None], reference: int, protocol: Protocol) -> list[int] | None:
    """One other frame per baseline of the protocol: the one that comes nearest to it. No frame is taken twice.

    None where there are fewer such frames than baselines: that reference is skipped, whatever number of sources is
    judged, so that all numbers are judged on the same references.
    """
    T_world_ref = poses[reference]
    baselines: dict[int, float] = {}
    last = reference if protocol.causal else min(len(poses), reference + protocol.window + 1)
    for frame in range(max(0, reference - protocol.window), last):
        if T_world_ref is None or poses[frame] is None or frame == reference:
            continue
        T_ref_frame = np.linalg.inv(T_world_ref) @ poses[frame]
        distance = float(np.linalg.norm(T_ref_frame[:3, 3]))
        angle_deg = np.degrees(np.arccos(np.clip((np.trace(T_ref_frame[:3, :3]) - 1) / 2, -1, 1)))
        if protocol.least_m <= distance <= protocol.most_m and angle_deg <= protocol.max_angle_deg:
            baselines[frame] = distance
    if len(baselines) < protocol.most_sources:
        return None
    taken: dict[float, int] = {}
    for wanted in sorted(protocol.baselines_m):
        nearest = min(baselines, key=lambda frame: (abs(baselines[frame] - wanted), -frame))
        taken[wanted] = nearest
        del baselines[nearest]
    return [taken[wanted] for wanted in protocol.baselines_m]


def nearest(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Values [H,W,...] at the pixels of `size` (height, width): those whose centres are nearest, none mixed."""
    rows, columns = (
        np.clip(((np.arange(new) + 0.5) * old / new - 0.5 + 1e-6).round().astype(int), 0, old - 1)
        for old, new in zip(values.shape[:2], size, strict=True)
    )
    return values[rows[:, None], columns]
