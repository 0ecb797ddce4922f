"""One scale for depth and poses, or the word that there is none.

Tracking from images alone knows lengths up to one factor; a sensor's or network's depth is in metres. Fusing them raw
would destroy the map and the cost volume, so the factor is found first (SPEC §6.3): per keyframe the median ratio of
depth to the depth of the sparse points, then a robust median over keyframes with its 95 % interval; or from a length
that the user knows. Where keyframes of a network do not agree, their median still brings depth and poses together, but
the map is said to be up to scale. A sensor that does not agree with the poses is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from mapping.slam.rigid import scale_of
from mapping.slam.scale_distance import KnownDistance
from mapping.slam.scale_floor import FloorFinder
from mapping.slam.scale_settings import ScaleSettings
from mapping.slam.tracked import Correction, TrackedFrame
from mapping.slam.view_selection import ViewTuple
from streammtl.errors import ScaleError
from streammtl.views import ScaleStatus

logger = logging.getLogger(__name__)

NORMAL_95 = 1.96  # standard deviations on either side of a mean that hold 95 %
NETWORK_LEEWAY = 1.5  # times max_interval: its keyframes scatter beside an error they share, which is told anyway
ADVICE = (
    "Give metric poses (--poses), a recording with depth, a known length (--set scale.factor, scale.camera_height_m, "
    "scale.distance_m), or allow a wider interval (--set scale.max_interval=0.5)."
)
MAX_SPREAD = 0.15  # of the log ratios of keyframes; beyond, they are said to disagree


@dataclass(frozen=True)
class ScaleEstimate:
    """What a length in the map means and how that is known."""

    status: ScaleStatus
    method: str
    factor: float = 1.0  # tracker units to map units
    interval: tuple[float, float] | None = None  # 95 %, of `factor`

    @property
    def was_missing(self) -> bool:
        """Whether the poses had no metres of their own."""
        return self.interval is not None or self.status is not ScaleStatus.METRIC


def at_points(values: np.ndarray, views: ViewTuple) -> np.ndarray:
    """The nearest of values [h,w] at each sparse point [N] of a keyframe, whose image may be larger."""
    camera = views.reference.camera
    h, w = values.shape
    column = np.rint((views.points_uv[:, 0] + 0.5) * w / camera.width - 0.5).astype(int).clip(0, w - 1)
    row = np.rint((views.points_uv[:, 1] + 0.5) * h / camera.height - 0.5).astype(int).clip(0, h - 1)
    return values[row, column]


def depth_ratio(depth_m: np.ndarray, confidence: np.ndarray, views: ViewTuple, min_points: int) -> float | None:
    """As ratio_at_points, of depth_m [h,w] where there is confidence [h,w]; both may be smaller than the image."""
    depth, trust = at_points(depth_m, views), at_points(confidence, views)
    return ratio_at_points(np.where(trust > 0, depth, 0.0), views.points_depth, min_points)


def ratio_at_points(depth_m: np.ndarray, points_depth: np.ndarray, min_points: int) -> float | None:
    """Median of depth [N], 0 where there is none, over that of the sparse points [N]; None with too few of them.

    Outliers beyond 3 robust deviations (MAD) in log ratio do not count.
    """
    usable = np.isfinite(depth_m) & (depth_m > 0) & (points_depth > 0)
    if usable.sum() < min_points:
        return None
    ratio = np.log(depth_m[usable] / points_depth[usable])
    spread = 1.4826 * np.median(np.abs(ratio - np.median(ratio)))
    ratio = ratio[np.abs(ratio - np.median(ratio)) <= 3 * max(spread, 1e-6)]
    return float(np.exp(np.median(ratio)))


class ScaleAligner:
    """Finds the scale of each component of the trajectory.

    `estimates` holds those that are known, or guessed where a network should have told the first. `left_out` are
    components without a scale beside one that has metres.
    """

    def __init__(
        self, settings: ScaleSettings, depth_scale: ScaleStatus, depth_source: str, depth_error: float = 0.0
    ) -> None:
        """`depth_scale`: what the depth to be fused means; `depth_source`: its name, for the record; `depth_error`:
        standard deviation of the log of a factor by which all of it may be off, and which keyframes thus cannot show.
        """
        self.settings = settings
        self.estimates: dict[int, ScaleEstimate] = {}
        self.left_out: set[int] = set()
        self._depth_scale = depth_scale
        self._floor = FloorFinder()
        self._source = settings.stated_length or depth_source
        measured_by_network = depth_error > 0 and not settings.stated_length
        self._may_guess = measured_by_network
        self._guessed: set[int] = set()
        self._enough = max(settings.min_keyframes, settings.enough_keyframes if measured_by_network else 0)
        self._widest = settings.max_interval * (NETWORK_LEEWAY if measured_by_network else 1.0)
        self._shared_error = settings.stated_error if settings.stated_length else NORMAL_95 * depth_error
        self._ratios: dict[int, list[float]] = {}  # component -> log ratios
        self._seen: dict[int, int] = {}
        self._distance = KnownDistance(settings)

    @property
    def needs_depth(self) -> bool:
        """Whether a scale is measured against the depth of keyframes."""
        return not self.settings.stated_length

    def decided(self, component: int, poses: ScaleStatus) -> bool:
        """Whether a component's scale is known or given up; where nothing has to be measured, it is from now on."""
        if component not in self.estimates:
            if poses is ScaleStatus.METRIC:
                self.estimates[component] = ScaleEstimate(ScaleStatus.METRIC, "poses are metric")
            elif self.settings.factor is not None:
                self.estimates[component] = self._stated(self.settings.factor)
            elif not self.settings.stated_length and self._depth_scale is ScaleStatus.UP_TO_SCALE:
                method = "none: depth is triangulated from poses of unknown scale"
                self.estimates[component] = ScaleEstimate(ScaleStatus.UP_TO_SCALE, method)
        return component in self.estimates or component in self.left_out

    def join(self, correction: Correction) -> None:
        """A component that became part of another one takes over its scale, where it has none yet."""
        if correction.component not in self.estimates and correction.joined in self.estimates:
            known = self.estimates[correction.joined]
            stretch = float(scale_of(correction.S_new_old[0]))
            interval = None if known.interval is None else tuple(stretch * end for end in known.interval)
            factor = known.factor if interval is None else stretch * known.factor
            self.estimates[correction.component] = replace(known, factor=factor, interval=interval)

    def observe(self, views: ViewTuple, depth_m: np.ndarray, confidence: np.ndarray) -> None:
        """Takes the metric depth of a keyframe whose component has no scale yet.

        Raises: as give_up, when the scale does not settle within `max_keyframes`.
        """
        self._take(views.component, depth_ratio(depth_m, confidence, views, self.settings.min_points))

    def watch(self, tracked: Sequence[TrackedFrame], views: ViewTuple | None) -> None:
        """Looks for the known length among the latest poses and, of a component without scale, keyframe points.

        Raises: as give_up, when the floor is not found within `max_keyframes`.
        """
        if self.settings.distance_frames is not None:
            self._measure_distance(tracked)
        height_m = self.settings.camera_height_m
        if height_m is not None and views is not None and views.component not in self.estimates:
            height = self._floor.height(views)
            self._take(views.component, None if height is None else height_m / height)

    def _take(self, component: int, ratio: float | None) -> None:
        ratios = self._ratios.setdefault(component, [])
        self._seen[component] = self._seen.get(component, 0) + 1
        if ratio is not None:
            ratios.append(np.log(ratio))
        last = self._seen[component] >= self.settings.max_keyframes
        if (last or len(ratios) >= self._enough) and self.conclude(component):
            return
        if last:
            self.give_up(component)

    def conclude(self, component: int) -> bool:
        """Settles the scale by the keyframes that were seen, if they are enough and agree; says whether it did."""
        ratios = self._ratios.get(component, [])
        if len(ratios) < self.settings.min_keyframes:
            return False
        centre, half = self._robust_median(ratios)
        if np.expm1(2 * half) > self._widest:
            return False
        self.estimates[component] = self._measured(centre, float(np.hypot(half, self._shared_error)))
        del self._ratios[component]
        return True

    def _measure_distance(self, tracked: Sequence[TrackedFrame]) -> None:
        """The stated distance, with what bundle adjustment has made of its ends until the second is there."""
        for frame in tracked:
            self._distance.take(frame)
        found = self._distance.measured()
        if found is None or found.component in self.estimates:
            return
        if 2 * NORMAL_95 * found.sigma > self.settings.max_interval:
            raise ScaleError(
                f"the {self._source} cannot be measured in the map: the depth at its pixels is known to "
                f"{NORMAL_95 * found.sigma:.0%} only, and {self.settings.max_interval / 2:.0%} is allowed. Name points "
                "on textured surfaces that the camera moves past, or another known length."
            )
        self.estimates[found.component] = self._stated(self.settings.distance_m / found.length, NORMAL_95 * found.sigma)

    def _stated(self, factor: float, measuring_error: float = 0.0) -> ScaleEstimate:
        error = float(np.hypot(self.settings.stated_error, measuring_error))
        return ScaleEstimate(ScaleStatus.METRIC, self._source, factor, (factor * (1 - error), factor * (1 + error)))

    def give_up(self, component: int) -> None:
        """Settles a component whose scale could not be found: it is left out where another one has a scale.

        Of the first a network's guess is taken, and what comes after is no better. Raises: ScaleError where a sensor or
        a stated length should have told the first.
        """
        if self.estimates and not self._guessed:
            logger.warning("component %d is left out: its scale is unknown", component)
            self.left_out.add(component)
        elif self._may_guess:
            ratios = self._ratios.pop(component, [])
            told = f"{len(ratios)} of {self._seen.get(component, 0)} keyframes gave one, and "
            told += f"{self.settings.min_keyframes} that agree within {self._widest:.0%} are needed"
            logger.warning("the map is up to scale: %s tells none (%s). %s", self._source, told, ADVICE)
            self.estimates[component] = self._guess(float(np.exp(np.median(ratios))) if ratios else 1.0)
            self._guessed.add(component)
        else:
            self._refuse(component)

    def _guess(self, factor: float) -> ScaleEstimate:
        return ScaleEstimate(ScaleStatus.UP_TO_SCALE, f"none: {self._source} does not tell", factor)

    def _refuse(self, component: int) -> None:
        if self.settings.distance_frames is not None:
            a, b = self.settings.distance_frames
            shown = " with points near the pixels" if self.settings.distance_pixels is not None else ""
            raise ScaleError(
                f"the scale is unknown: frames {a} and {b} of the stated distance did not both get poses{shown} in "
                f"component {component}. Name frames that `streammtl export --to poses.tum` lists, and that come after "
                "the start of tracking, or leave the distance out."
            )
        raise ScaleError(
            f"the scale is unknown: {len(self._ratios.get(component, []))} of {self._seen.get(component, 0)} keyframes "
            f"gave a ratio of {self._source} to tracked points; {self.settings.min_keyframes} that agree within "
            f"{self._widest:.0%} are needed. {ADVICE}"
        )

    def _robust_median(self, ratios: list[float]) -> tuple[float, float]:
        """Median of the log ratios, and the half-width of its 95 % interval by how much they differ."""
        centre = float(np.median(ratios))
        spread = 1.4826 * float(np.median(np.abs(np.array(ratios) - centre)))
        n = len(ratios)
        spread *= n / (n - 0.8)  # the MAD of few values is too small
        if spread > MAX_SPREAD:
            logger.warning("keyframes disagree on the scale by %.0f %% (%s)", 100 * spread, self._source)
        half = stdtrit(n - 1, 0.975) * 1.2533 * spread / np.sqrt(n)  # 1.2533: a median varies more than a mean
        return centre, float(half)

    def _measured(self, centre: float, half: float) -> ScaleEstimate:
        interval = (float(np.exp(centre - half)), float(np.exp(centre + half)))
        if self._guessed:  # one unit for the map
            return self._guess(float(np.exp(centre)))
        return ScaleEstimate(ScaleStatus.METRIC, self._source, float(np.exp(centre)), interval)

    def state(self) -> dict[str, np.ndarray]:
        """What was measured, guessed or left out; the rest follows from the poses."""
        rows = [
            (component, estimate.factor, *(estimate.interval or (np.nan, np.nan)))
            for component, estimate in self.estimates.items()
            if estimate.interval is not None or self._guessed
        ]
        rows += [(component, np.nan, np.nan, np.nan) for component in self.left_out]
        return {"measured": np.array(rows, np.float64).reshape(-1, 4)}  # component, factor, low, high

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continues from what `state` gave."""
        for component, factor, low, high in state["measured"].tolist():
            if np.isnan(factor):
                self.left_out.add(int(component))
            elif np.isnan(low):
                self.estimates[int(component)] = self._guess(factor)
                self._guessed.add(int(component))
            else:
                self.estimates[int(component)] = ScaleEstimate(ScaleStatus.METRIC, self._source, factor, (low, high))
