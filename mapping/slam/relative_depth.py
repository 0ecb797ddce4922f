"""Depth that is known up to a scale and a shift of each image, brought to the unit of the poses by sparse points."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from mapping.slam.scale import MAX_SPREAD, at_points
from mapping.slam.view_selection import ViewTuple
from streammtl.errors import ScaleError

logger = logging.getLogger(__name__)

MIN_POINTS = 50
TRIES = 256  # pairs of points that lines are drawn through
APART = 0.05  # least difference of the relative depths of such a pair
REFINEMENTS = 4
LEAST_SPREAD = 0.01  # relative; points this near are never outliers
MARGIN = 0.25  # of the range of relative depth between the points, beyond which the line is not followed


@dataclass(frozen=True)
class DepthLine:
    """z = scale * relative + shift, for relative depths in `trusted`."""

    scale: float
    shift: float
    trusted: tuple[float, float]
    points: int  # that agree with it
    spread: float  # robust standard deviation of relative errors at all points

    def depth(self, relative: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Depth and confidence f32 [h,w] in the unit of the points; confidence 0 where the line says nothing."""
        depth = self.scale * relative + self.shift
        low, high = self.trusted
        usable = (depth > 0) & (relative >= low) & (relative <= high)
        return np.where(usable, depth, 1.0).astype(np.float32), np.where(usable, confidence, 0).astype(np.float32)


class DepthFits:
    """Counts keyframes whose relative depth could not be fitted; they stay out of the map.

    A run that begins with `most` of them in a row is refused.
    """

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._unfitted = 0
        self._fitted = False

    def take(self, line: DepthLine | None, frame: int) -> DepthLine | None:
        """The same line. Raises: ScaleError."""
        self._fitted |= line is not None
        if line is None:
            self._unfitted += 1
            logger.warning("keyframe %d: its relative depth fits no tracked points; %d so far", frame, self._unfitted)
        if not self._fitted and self._unfitted >= self._most:
            raise ScaleError(
                f"the depth of this model is relative, and in none of the first {self._unfitted} keyframes did it fit "
                f"the tracked points: {MIN_POINTS} that agree on a scale and a shift within {MAX_SPREAD:.0%} are "
                "needed. Give a recording that tracking finds points in (poses given alone bring none), weights that "
                "know such scenes, or another model, e.g. --set model.name=planesweep."
            )
        return line


def fit_depth_line(relative: np.ndarray, confidence: np.ndarray, views: ViewTuple) -> DepthLine | None:
    """The line from relative depth [h,w] to the depths of a keyframe's points, or None where it must not be trusted:
    too few points, points of one depth only, depth that falls where it should rise, or a spread beyond 15 %.

    Errors are relative to depth. Robust: the best of lines through drawn pairs by the median error, then least squares
    over what lies within three robust deviations (MAD). Deterministic.
    """
    x, trust, z = at_points(relative, views), at_points(confidence, views), views.points_depth
    usable = (trust > 0) & np.isfinite(x) & (z > 0)
    x, z = x[usable].astype(np.float64), z[usable].astype(np.float64)
    line = _best_of_pairs(x, z) if len(x) >= MIN_POINTS else None
    if line is None:
        return None
    for _ in range(REFINEMENTS):
        near = _near(line, x, z)
        if near.sum() < MIN_POINTS:
            return None
        weighted = np.stack((x[near] / z[near], 1 / z[near]), 1)
        line = np.linalg.lstsq(weighted, np.ones(near.sum()), rcond=None)[0]
    spread, near = _spread(line, x, z), _near(line, x, z)
    if line[0] <= 0 or spread > MAX_SPREAD or near.sum() < MIN_POINTS or np.ptp(x[near]) < APART:
        return None
    low, high = x[near].min(), x[near].max()
    margin = MARGIN * (high - low)
    return DepthLine(float(line[0]), float(line[1]), (low - margin, high + margin), int(near.sum()), spread)


def _best_of_pairs(x: np.ndarray, z: np.ndarray) -> np.ndarray | None:
    """(scale, shift) of the rising line through two points that has the least median error."""
    i, j = np.random.default_rng(0).integers(len(x), size=(2, TRIES))
    rising = (np.abs(x[i] - x[j]) >= APART) & ((x[i] - x[j]) * (z[i] - z[j]) > 0)
    i, j = i[rising], j[rising]
    if not len(i):
        return None
    scale = (z[i] - z[j]) / (x[i] - x[j])
    lines = np.stack((scale, z[i] - scale * x[i]), 1)
    errors = [np.median(np.abs(line[0] * x + line[1] - z) / z) for line in lines]
    return lines[int(np.argmin(errors))]


def _spread(line: np.ndarray, x: np.ndarray, z: np.ndarray) -> float:
    return float(1.4826 * np.median(np.abs(line[0] * x + line[1] - z) / z))


def _near(line: np.ndarray, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    limit = 3 * max(_spread(line, x, z), LEAST_SPREAD)
    return np.abs(line[0] * x + line[1] - z) / z < limit
