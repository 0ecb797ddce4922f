"""One scale for depth and poses, or a refusal.

Tracking from images alone knows lengths up to one factor; a network's depth is in metres. Fusing them raw would destroy
the map and the cost volume, so the factor is estimated first (SPEC §6.3): per keyframe the median ratio of depth to the
depth of the sparse points, then a robust median over keyframes with its 95 % interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import t as student_t

from mapping.slam.view_selection import ViewTuple
from streammtl.errors import ScaleError
from streammtl.views import ScaleStatus


class ScaleSettings(BaseModel):
    """When the ratio of depth to tracked points is good enough."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_points: int = Field(50, ge=3, description="sparse points a keyframe needs before its ratio counts")
    min_keyframes: int = Field(8, ge=2, description="keyframes whose ratios settle the scale")
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
    """Finds the scale of each component of the trajectory. `estimates` holds those that are known."""

    def __init__(self, settings: ScaleSettings, depth_scale: ScaleStatus, depth_source: str) -> None:
        """`depth_scale`: what the depth to be fused means; `depth_source`: its name, for the record."""
        self.settings = settings
        self.estimates: dict[int, ScaleEstimate] = {}
        self._depth_scale = depth_scale
        self._source = depth_source
        self._ratios: dict[int, list[float]] = {}  # component -> log ratios
        self._seen: dict[int, int] = {}

    def knows(self, component: int, poses: ScaleStatus) -> bool:
        """Whether a component's scale is known; where nothing has to be measured, it is from now on."""
        if component not in self.estimates:
            if poses is ScaleStatus.METRIC:
                self.estimates[component] = ScaleEstimate(ScaleStatus.METRIC, "poses are metric")
            elif self._depth_scale is ScaleStatus.UP_TO_SCALE:
                method = "none: depth is triangulated from poses of unknown scale"
                self.estimates[component] = ScaleEstimate(ScaleStatus.UP_TO_SCALE, method)
        return component in self.estimates

    def observe(self, views: ViewTuple, depth_m: np.ndarray, confidence: np.ndarray) -> None:
        """Takes the metric depth of a keyframe whose component has no scale yet.

        Raises: ScaleError when the scale does not settle within `max_keyframes`.
        """
        component = views.component
        ratios = self._ratios.setdefault(component, [])
        self._seen[component] = self._seen.get(component, 0) + 1
        ratio = depth_ratio(depth_m, confidence, views, self.settings.min_points)
        if ratio is not None:
            ratios.append(np.log(ratio))
        if len(ratios) >= self.settings.min_keyframes:
            estimate = self._robust_median(ratios)
            low, high = estimate.interval
            if high / low - 1 <= self.settings.max_interval:
                self.estimates[component] = estimate
                del self._ratios[component]
                return
        if self._seen[component] >= self.settings.max_keyframes:
            self.refuse(component)

    def refuse(self, component: int) -> None:
        """Raises: ScaleError; the scale of a component could not be found."""
        raise ScaleError(
            f"the scale is unknown: {len(self._ratios.get(component, []))} of {self._seen.get(component, 0)} keyframes "
            f"gave a ratio of {self._source} to tracked points; {self.settings.min_keyframes} that agree within "
            f"{self.settings.max_interval:.0%} are needed. Give metric poses (--poses), a recording with depth, or "
            "allow a wider interval (--set scale.max_interval=0.5)."
        )

    def _robust_median(self, ratios: list[float]) -> ScaleEstimate:
        centre = float(np.median(ratios))
        spread = 1.4826 * float(np.median(np.abs(np.array(ratios) - centre)))
        n = len(ratios)
        spread *= n / (n - 0.8)  # the MAD of few values is too small
        half = student_t.ppf(0.975, n - 1) * 1.2533 * spread / np.sqrt(n)  # 1.2533: a median varies more than a mean
        interval = (float(np.exp(centre - half)), float(np.exp(centre + half)))
        return ScaleEstimate(ScaleStatus.METRIC, self._source, float(np.exp(centre)), interval)

    def state(self) -> dict[str, np.ndarray]:
        """The measured scales; the others follow from the poses."""
        measured = [(c, e.factor, *e.interval) for c, e in self.estimates.items() if e.interval is not None]
        return {"measured": np.array(measured, np.float64).reshape(-1, 4)}  # component, factor, low, high

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continues from what `state` gave."""
        for component, factor, low, high in state["measured"].tolist():
            self.estimates[int(component)] = ScaleEstimate(ScaleStatus.METRIC, self._source, factor, (low, high))
