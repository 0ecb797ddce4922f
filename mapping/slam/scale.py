"""One scale for depth and poses, or a refusal.

Tracking from images alone knows lengths up to one factor; a network's depth is in metres. Fusing them raw would destroy
the map and the cost volume, so the factor is estimated first (SPEC §6.3): per keyframe the median ratio of depth to the
depth of the sparse points, then a robust median over keyframes with its 95 % interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mapping.slam.view_selection import ViewTuple
from streammtl.errors import ScaleError
from streammtl.views import ScaleStatus


class ScaleSettings(BaseModel):
    """When the ratio of depth to tracked points is good enough."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_points: int = Field(50, ge=3, description="sparse points a keyframe needs before its ratio counts")
    min_keyframes: int = Field(5, ge=1, description="keyframes whose ratios settle the scale")
    max_keyframes: int = Field(30, ge=1, description="keyframes after which an unsettled scale is refused")
    max_interval: float = Field(0.2, gt=0, description="width of the 95 % interval, relative to the scale, to settle")


@dataclass(frozen=True)
class ScaleEstimate:
    """What a length in the map means and how that is known."""

    status: ScaleStatus
    method: str
    factor: float = 1.0  # tracker units to map units
    interval: tuple[float, float] | None = None  # 95 %, of `factor`


def depth_ratio(depth_m: np.ndarray, confidence: np.ndarray, views: ViewTuple, min_points: int) -> float | None:
    """Median of depth over sparse-point depth at the points of a keyframe, or None with too few of them.

    Shapes: depth_m, confidence [h,w], which may be smaller than the image the points were seen in.
    Outliers beyond 3 robust deviations (MAD) in log ratio do not count.
    """
    camera = views.reference.camera
    h, w = depth_m.shape
    column = np.rint((views.points_uv[:, 0] + 0.5) * w / camera.width - 0.5).astype(int).clip(0, w - 1)
    row = np.rint((views.points_uv[:, 1] + 0.5) * h / camera.height - 0.5).astype(int).clip(0, h - 1)
    depth, trust = depth_m[row, column], confidence[row, column]
    usable = (trust > 0) & np.isfinite(depth) & (depth > 0) & (views.points_depth > 0)
    if usable.sum() < min_points:
        return None
    ratio = np.log(depth[usable] / views.points_depth[usable])
    spread = 1.4826 * np.median(np.abs(ratio - np.median(ratio)))
    ratio = ratio[np.abs(ratio - np.median(ratio)) <= 3 * max(spread, 1e-6)]
    return float(np.exp(np.median(ratio)))


class ScaleAligner:
    """Collects ratios until the scale of the current component is known."""

    def __init__(self, settings: ScaleSettings, depth_scale: ScaleStatus, depth_source: str) -> None:
        """`depth_scale`: what the depth to be fused means; `depth_source`: its name, for the record."""
        self.settings = settings
        self._depth_scale = depth_scale
        self._source = depth_source
        self._ratios: list[float] = []  # log
        self._seen = 0
        self._component = -1
        self._estimate: ScaleEstimate | None = None

    def estimate(self, views: ViewTuple) -> ScaleEstimate | None:
        """The scale for these views, or None while it has to be observed first."""
        if views.component != self._component:  # a new component has a scale of its own
            self._component, self._estimate, self._ratios, self._seen = views.component, None, [], 0
        if self._estimate is not None:
            return self._estimate
        if views.scale_status is ScaleStatus.METRIC:
            self._estimate = ScaleEstimate(ScaleStatus.METRIC, "poses are metric")
        elif self._depth_scale is ScaleStatus.UP_TO_SCALE:
            self._estimate = ScaleEstimate(ScaleStatus.UP_TO_SCALE, "none: depth was triangulated from the poses")
        return self._estimate

    def observe(self, views: ViewTuple, depth_m: np.ndarray, confidence: np.ndarray) -> ScaleEstimate | None:
        """Takes one keyframe's depth; gives the scale once it is settled.

        Raises: ScaleError when it does not settle within `max_keyframes`.
        """
        self._seen += 1
        ratio = depth_ratio(depth_m, confidence, views, self.settings.min_points)
        if ratio is not None:
            self._ratios.append(np.log(ratio))
        if len(self._ratios) >= self.settings.min_keyframes:
            centre = float(np.median(self._ratios))
            spread = 1.4826 * float(np.median(np.abs(np.array(self._ratios) - centre)))
            half = 1.96 * 1.2533 * spread / np.sqrt(len(self._ratios))  # 1.2533: a median varies more than a mean
            if 2 * half <= self.settings.max_interval:
                interval = (float(np.exp(centre - half)), float(np.exp(centre + half)))
                self._estimate = ScaleEstimate(ScaleStatus.METRIC, self._source, float(np.exp(centre)), interval)
                return self._estimate
        if self._seen >= self.settings.max_keyframes:
            raise ScaleError(
                f"the scale is unknown: {len(self._ratios)} of {self._seen} keyframes gave a ratio of {self._source} to "
                f"tracked points, and its 95 % interval is wider than {self.settings.max_interval:.0%}. Give metric "
                "poses (--poses), a recording with depth, or allow a wider interval (--set scale.max_interval=0.5)."
            )
        return None

    def state(self) -> dict[str, np.ndarray]:
        estimate = self._estimate
        known = estimate is not None and estimate.interval is not None
        return {
            "component": np.array([self._component], np.int64),
            "factor": np.array([estimate.factor if known else np.nan]),
            "interval": np.array(estimate.interval if known else (np.nan, np.nan)),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        factor = float(state["factor"][0])
        if np.isfinite(factor):
            self._component = int(state["component"][0])
            low, high = (float(x) for x in state["interval"])
            self._estimate = ScaleEstimate(ScaleStatus.METRIC, self._source, factor, (low, high))
