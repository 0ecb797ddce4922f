"""The stages as plain classes with one verb each. `pipelines/run.py` chains them, an executor houses them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import numpy as np

from mapping.slam.relative_depth import DepthFits, fit_depth_line
from mapping.slam.scale import ScaleEstimate, at_points
from mapping.slam.scale_path import PathScale
from mapping.slam.tracked import Correction, TrackedFrame
from mapping.slam.tracker import make_tracker
from mapping.slam.view_selection import ViewTuple
from pipelines.likeliest_labels import likeliest_labels
from pipelines.moving import MovingClasses, class_ids, moving_pixels
from pipelines.settings import Settings
from pipelines.view_batches import view_batch
from streammtl.camera import Camera
from streammtl.errors import PipelineError, StageError, StreamMtlError
from streammtl.models.registry import build_model
from streammtl.models.settings import ModelSettings
from streammtl.views import Frame, SkippedFrame, TaskOutputs, ViewBatch

logger = logging.getLogger(__name__)

State = dict[str, np.ndarray]

SEEN_ALONE = 32  # keyframes, some 2 MB each; of those before them a model says the same a second time


@dataclass
class Arrival:
    """A frame as it enters the pipeline."""

    frame: Frame | SkippedFrame
    checkpoint: bool  # the tracker's state after this frame is wanted
    received_s: float  # monotonic clock


@dataclass
class Step:
    """What flows behind the tracker: frames tracked since the last step, and at most one keyframe to fuse.

    A step with `checkpoint` carries the states of the stages as they were after its frames: the map is committed with
    them, and a run that continues from there gives the same map.
    """

    tracked: list[TrackedFrame]
    views: ViewTuple | None = None
    single_view: bool = False  # scale still unknown: look at the keyframe alone
    scale: ScaleEstimate | None = None
    moves: list[Correction] = field(default_factory=list)  # of earlier frames, before those of this step
    path_scale: PathScale | None = None  # what all keyframes so far tell
    received_s: float = 0.0  # when the frame that brought the keyframe arrived, monotonic clock
    checkpoint: dict[str, State] | None = None

    def scaled(self, estimates: dict[int, ScaleEstimate]) -> Step:
        """All poses in map units: each component's multiplied by its factor."""
        views = self.views
        scale = estimates.get(views.component) if views is not None else None
        if scale is not None:
            views = views.scaled(scale.factor, scale.status)
        tracked = [_scaled(t, estimates) for t in self.tracked]
        return replace(self, tracked=tracked, views=views, scale=scale)

    def without_images(self) -> Step:
        """What the mapping stage needs: the neighbours have done their work."""
        return self if self.views is None else replace(self, views=replace(self.views, neighbours=[]))


def _scaled(tracked: TrackedFrame, estimates: dict[int, ScaleEstimate]) -> TrackedFrame:
    tracked = replace(tracked, points=None, state=None)
    if tracked.correction is not None:
        tracked.correction = _scaled_correction(tracked.correction, estimates)
    scale = estimates.get(tracked.component)
    if scale is None:
        return tracked

    def moved(T: np.ndarray) -> np.ndarray:
        return np.vstack([np.hstack([T[:3, :3], T[:3, 3:] * scale.factor]), T[3:]])

    covariance = tracked.covariance
    if covariance is not None:
        unit = np.repeat([1.0, scale.factor], 3)
        covariance = covariance * np.outer(unit, unit)
    return replace(
        tracked,
        covariance=covariance,
        T_world_cam=None if tracked.T_world_cam is None else moved(tracked.T_world_cam),
        revised={index: moved(T) for index, T in tracked.revised.items()},
        scale_status=scale.status,
    )


def _scaled_correction(correction: Correction, estimates: dict[int, ScaleEstimate]) -> Correction:
    before, after = (
        estimates[component].factor if component in estimates else 1.0
        for component in (correction.component, correction.joined)
    )
    S_new_old = correction.S_new_old.copy()
    S_new_old[:, :3, :3] *= after / before
    S_new_old[:, :3, 3] *= after
    return replace(correction, S_new_old=S_new_old)


@dataclass
class Prediction:
    """A model's word on a keyframe, as arrays of the model's resolution h x w."""

    depth_m: np.ndarray  # f32 [h,w]
    confidence: np.ndarray  # f32 [h,w]
    camera: Camera  # of the h x w grid
    metric: bool
    label_ids: np.ndarray | None = None  # u8 [h,w,m] most probable labels, 0 = none
    label_probabilities: np.ndarray | None = None  # f32 [h,w,m]
    moving: np.ndarray | None = None  # bool [h,w] classes that move by themselves: not to be fused
    own_depth_m: np.ndarray | None = None  # f32 [N] at the keyframe's sparse points, where it owes nothing to the poses


@dataclass
class Tracking:
    """Frame -> TrackedFrame."""

    settings: Settings
    camera: Camera
    has_depth: bool
    state: State = field(default_factory=dict)

    def __post_init__(self) -> None:
        run = self.settings.run
        see_moving = MovingClasses(self.settings.model, run.moving_classes) if run.mask_tracking else None
        self._tracker = make_tracker(self.settings.tracker, self.camera, self.has_depth, see_moving)
        if self.state:
            self._restore()

    def _restore(self) -> None:
        try:
            self._tracker.restore(self.state)
        except KeyError as error:
            raise PipelineError(
                f"this run cannot go on: it was begun by another version, whose tracker did not keep {error}. "
                "Resume with that version, or map the recording anew into another --out."
            ) from error

    def track(self, arrival: Arrival) -> TrackedFrame:
        """Pose and status of the next frame."""
        frame = arrival.frame
        try:
            if isinstance(frame, SkippedFrame):
                return self._tracker.skip(frame, arrival.checkpoint)
            return self._tracker.track(frame, arrival.checkpoint)
        except StreamMtlError:
            raise
        except Exception as error:
            logger.exception("unexpected error in the tracking stage")
            raise StageError(f"tracking failed at frame {frame.index}: {type(error).__name__}: {error}") from error

    def snapshot(self) -> State:
        """The tracker's state after the last frame."""
        return self._tracker.state()


@dataclass
class _Seen:
    """What a model said of a keyframe alone, as far as neighbours can change it, and its labels."""

    outputs: TaskOutputs
    labels: dict[str, np.ndarray | None]


@dataclass
class Inference:
    """Keyframe with neighbours -> depth and labels."""

    settings: ModelSettings
    sensor_only: bool  # a sensor gives the depth and the model would add nothing to it
    moving_classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.sensor_only:
            self._model = build_model(self.settings)
            self._moving_ids = class_ids(self._model.label_space, self.moving_classes)
        self._fits = DepthFits()
        self._seen_alone: dict[int, _Seen] = {}  # keyframes that wait for their scale

    def predict(self, step: Step) -> Prediction | None:
        """None where there is nothing to predict."""
        if step.views is None or self.sensor_only:
            return None
        try:
            return self._predict(step.views, step.single_view)
        except StreamMtlError:
            raise
        except Exception as error:
            logger.exception("unexpected error in the inference stage")
            index = step.views.reference.index
            raise StageError(f"inference failed at frame {index}: {type(error).__name__}: {error}") from error

    def _predict(self, views: ViewTuple, single_view: bool) -> Prediction | None:
        width, height = self.settings.width, self.settings.height
        outputs, labels = self._said(views, view_batch(views, width, height, self.settings, single_view), single_view)
        depth_m = outputs.values["depth"][0, 0].float().cpu().numpy()
        confidence = outputs.confidence[0, 0].float().cpu().numpy()
        if self._model.relative_depth:
            line = self._fits.take(fit_depth_line(depth_m, confidence, views), views.reference.index)
            if line is None:
                return None
            depth_m, confidence = line.depth(depth_m, confidence)
        prediction = Prediction(
            depth_m=depth_m,
            confidence=confidence,
            camera=views.reference.camera.scaled(width, height),
            metric=outputs.scale_status == "metric",
            **labels,
        )
        if outputs.own_depth is not None:
            prediction.own_depth_m = at_points(outputs.own_depth[0, 0].float().cpu().numpy(), views)
        return prediction

    def _said(
        self, views: ViewTuple, batch: ViewBatch, single_view: bool
    ) -> tuple[TaskOutputs, dict[str, np.ndarray | None]]:
        """Outputs of the model, and labels as Prediction has them. What it saw alone it does not look at twice."""
        index = views.reference.index
        if not single_view and index in self._seen_alone:
            seen = self._seen_alone.pop(index)
            return self._model.refine(batch, seen.outputs), seen.labels
        outputs = self._model.predict(batch)
        labels = self._labels(outputs)
        if single_view and self._model.refines:
            kept = replace(outputs, values={"depth": outputs.values["depth"]})
            self._seen_alone[index] = _Seen(kept, labels)
            if len(self._seen_alone) > SEEN_ALONE:
                del self._seen_alone[next(iter(self._seen_alone))]
        return outputs, labels

    def _labels(self, outputs: TaskOutputs) -> dict[str, np.ndarray | None]:
        if "semantics" not in outputs.values or self._model.label_space is None:
            return {}
        ids, probabilities = likeliest_labels(outputs.values["semantics"][0].float().cpu().numpy())
        moving = moving_pixels(ids[..., 0], self._moving_ids)
        return {"label_ids": ids, "label_probabilities": probabilities, "moving": moving}
