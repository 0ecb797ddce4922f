"""Whether depth and poses keep to one scale along the path."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

logger = logging.getLogger(__name__)

STEP_SIGMA = 0.01  # how much the log ratio may truly change from keyframe to keyframe
FIRST_SIGMA = 0.2  # of a single keyframe's log ratio, before their spread is known
OUTLIER = 3.0  # sigmas
SETTLED = 8  # keyframes before anything is said
TOLERATED = 0.1  # of the scale; smaller disagreement is not worth a word


@dataclass
class ScaleDrift:
    """Ratio of fused depth to the depth of tracked points, filtered along the path; 1 where both have one scale.

    A Kalman filter with a random walk on the log ratio; keyframes further than 3 sigmas off count little.
    """

    log_ratio: float = 0.0
    variance: float = 1.0
    noise: float = FIRST_SIGMA**2  # of one keyframe, learnt from what the filter did not foresee
    keyframes: int = 0
    lowest: float = np.inf  # of the filtered log ratio, once settled
    highest: float = -np.inf
    warned: bool = False

    def take(self, ratio: float, source: str, frame: int) -> None:
        """The next keyframe's ratio. Warns, once, when depth and poses turn out to be of different scale."""
        self.variance += STEP_SIGMA**2
        surprise = float(np.log(ratio)) - self.log_ratio
        expected = self.variance + self.noise
        weight = min(1.0, OUTLIER**2 * expected / max(surprise**2, 1e-12)) if self.keyframes else 1.0
        gain = self.variance / (self.variance + self.noise / weight)
        self.log_ratio += gain * surprise
        self.variance *= 1 - gain
        if weight == 1.0 and self.keyframes:
            self.noise += (surprise**2 - self.noise) / (self.keyframes + 5)
        self.keyframes += 1
        if self.keyframes >= SETTLED:
            self.lowest, self.highest = min(self.lowest, self.log_ratio), max(self.highest, self.log_ratio)
            self._warn(source, frame)

    def _warn(self, source: str, frame: int) -> None:
        if self.warned or abs(self.log_ratio) < max(TOLERATED, 2 * np.sqrt(self.variance)):
            return
        self.warned = True
        logger.warning(
            "at frame %d, %s is %.2f times what the poses say: the scale is wrong, or drifted (stated lengths, units "
            "of poses and depth_scale are the usual reasons)", frame, source, np.exp(self.log_ratio),
        )  # fmt: skip

    @property
    def along_path(self) -> tuple[float, float] | None:
        """Smallest and largest filtered ratio, None before it settled."""
        return None if self.keyframes < SETTLED else (float(np.exp(self.lowest)), float(np.exp(self.highest)))

    def state(self) -> np.ndarray:
        """Everything as f64 [7]."""
        values = (self.log_ratio, self.variance, self.noise, self.keyframes, self.lowest, self.highest, self.warned)
        return np.array(values, np.float64)

    @classmethod
    def restored(cls, state: np.ndarray) -> ScaleDrift:
        """What `state` was taken from."""
        log_ratio, variance, noise, keyframes, lowest, highest, warned = state.tolist()
        return cls(log_ratio, variance, noise, int(keyframes), lowest, highest, bool(warned))
