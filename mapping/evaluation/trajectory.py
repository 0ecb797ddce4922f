"""Absolute and relative trajectory errors."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from mapping.evaluation.similarity import Similarity, fit_similarity
from streammtl.errors import GeometryError


@dataclass(frozen=True)
class Spread:
    """How a positive error is distributed."""

    rmse: float
    mean: float
    median: float
    max: float

    @classmethod
    def of(cls, errors: np.ndarray) -> Spread:
        return cls(
            float(np.sqrt((errors**2).mean())), float(errors.mean()), float(np.median(errors)), float(errors.max())
        )


@dataclass(frozen=True)
class AbsoluteError:
    """Camera centres and orientations after one alignment of the whole path."""

    position_m: Spread
    rotation_deg: Spread
    scale: float  # factor that the alignment applied to the estimate; 1 for SE(3)
    coverage: float  # share of the true poses in the estimate's reach that have an estimate
    count: int
    alignment: Similarity

    def as_dict(self) -> dict[str, object]:
        return {
            "position_m": asdict(self.position_m),
            "rotation_deg": asdict(self.rotation_deg),
            "scale": self.scale,
            "coverage": self.coverage,
            "count": self.count,
        }


@dataclass(frozen=True)
class RelativeError:
    """Drift over a fixed time."""

    translation_m: Spread
    rotation_deg: Spread
    delta_s: float
    count: int

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def associate(times_s: np.ndarray, reference_s: np.ndarray, tolerance_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Index pairs (into times_s, into reference_s) of mutually nearest times at most `tolerance_s` apart, in order.

    Shapes: times_s [N], reference_s [M], each ascending.
    """
    if not len(times_s) or not len(reference_s):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    forward, backward = _nearest(times_s, reference_s), _nearest(reference_s, times_s)
    i = np.arange(len(times_s))
    mutual = (backward[forward] == i) & (np.abs(reference_s[forward] - times_s) <= tolerance_s)
    return i[mutual], forward[mutual]


def _nearest(times_s: np.ndarray, reference_s: np.ndarray) -> np.ndarray:
    after = np.searchsorted(reference_s, times_s).clip(1, max(1, len(reference_s) - 1))
    before = after - 1
    after = after.clip(max=len(reference_s) - 1)
    return np.where(times_s - reference_s[before] <= reference_s[after] - times_s, before, after)


def absolute_error(estimate: np.ndarray, truth: np.ndarray, with_scale: bool, coverage: float = 1.0) -> AbsoluteError:
    """Absolute trajectory error after the least-squares alignment: Sim(3) `with_scale`, else SE(3).

    Shapes: estimate, truth T_world_cam [N,4,4] in correspondence, in any two worlds.
    Raises: GeometryError when no alignment is determined.
    Source: Sturm et al., IROS 2012, §VI (ATE); orientation errors are the angles that the same alignment leaves.
    """
    alignment = fit_similarity(estimate[:, :3, 3], truth[:, :3, 3], with_scale)
    aligned = alignment.poses(estimate)
    position = np.linalg.norm(aligned[:, :3, 3] - truth[:, :3, 3], axis=1)
    rotation = angles_deg(aligned[:, :3, :3].transpose(0, 2, 1) @ truth[:, :3, :3])
    return AbsoluteError(Spread.of(position), Spread.of(rotation), alignment.scale, coverage, len(truth), alignment)


def relative_error(
    estimate: np.ndarray, truth: np.ndarray, times_s: np.ndarray, delta_s: float = 1.0, scale: float = 1.0
) -> RelativeError:
    """Relative pose error over `delta_s` seconds, the estimate's lengths multiplied by `scale`.

    Shapes: estimate, truth T_world_cam [N,4,4]; times_s [N] ascending. Pairs whose distance in time is off by more
    than half a frame do not count.
    Raises: GeometryError when no two poses lie `delta_s` apart.
    Source: Sturm et al., IROS 2012, Eqs. 1-3.
    """
    tolerance_s = 0.5 * float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    first = np.arange(len(times_s))
    second = _nearest(times_s + delta_s, times_s) if len(times_s) > 1 else first
    apart = np.abs(times_s[second] - times_s - delta_s) <= tolerance_s
    if not apart.any():
        raise GeometryError(
            f"no two poses lie {delta_s} s apart; the path lasts {np.ptp(times_s) if len(times_s) else 0:.3f} s."
        )
    first, second = first[apart], second[apart]
    scaled = estimate.copy()
    scaled[:, :3, 3] *= scale
    error = _between(_between(truth[first], truth[second]), _between(scaled[first], scaled[second]))
    translation = np.linalg.norm(error[:, :3, 3], axis=1)
    return RelativeError(Spread.of(translation), Spread.of(angles_deg(error[:, :3, :3])), delta_s, len(first))


def _between(T_a: np.ndarray, T_b: np.ndarray) -> np.ndarray:
    return np.linalg.inv(T_a) @ T_b


def angles_deg(R: np.ndarray) -> np.ndarray:
    """Rotation angles [N] in degrees of matrices [N,3,3], exact near 0 and near 180 degrees."""
    skew = np.stack([R[:, 2, 1] - R[:, 1, 2], R[:, 0, 2] - R[:, 2, 0], R[:, 1, 0] - R[:, 0, 1]], axis=1)
    return np.rad2deg(np.arctan2(np.linalg.norm(skew, axis=1), np.trace(R, axis1=1, axis2=2) - 1))
