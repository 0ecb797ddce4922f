"""The one way through: a recording becomes a map. Offline, live and tests take it alike."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mapping.slam.scale import ScaleAligner
from mapping.slam.scale_path import ScalePath
from mapping.slam.tracked import TrackedFrame
from mapping.slam.view_selection import ViewSelector
from mapping.store.header import MapHeader
from mapping.store.reader import is_map, open_map
from pipelines.mapping_stage import Mapping, MapProgress
from pipelines.settings import Settings
from pipelines.stages import Arrival, Inference, State, Step, Tracking
from pipelines.steps import arrivals, bring_to_scale, keep_to_scale, select_keyframes
from recordings import Recording
from streammtl.camera import Camera
from streammtl.errors import PipelineError, StageError, StageLostError
from streammtl.models.registry import model_class
from streammtl.stopping import StopRequest
from streammtl.views import Frame, ScaleStatus, SkippedFrame

FRAMES_IN_FLIGHT = 4
KEYFRAMES_IN_FLIGHT = 2
STEPS_IN_FLIGHT = 8  # light ones: a keyframe's depth, or poses alone
RECOVERIES = 5  # stage losses in a row without a commit in between, before giving up

logger = logging.getLogger(__name__)

Report = Callable[[MapProgress], None]


@dataclass
class Job:
    """What to map, and where to."""

    recording: Recording
    camera: Camera
    settings: Settings
    out: Path
    header: MapHeader  # of a new map: provenance, configuration
    resume: bool = False


@dataclass
class Outcome:
    """What a run did."""

    first_frame: int
    progress: MapProgress | None = None
    pose_latency_s: list[float] = field(default_factory=list)  # frame in to pose known
    map_latency_s: list[float] = field(default_factory=list)  # frame in to keyframe fused


def run(job: Job, executor: Any, report: Report, stop: StopRequest) -> Outcome:
    """Maps the recording. A lost stage process means going on from the last commit, as after a power cut.

    Raises: StageError when stages are lost again and again without progress, and all errors of the stages.
    """
    losses, reached = 0, -1
    while True:
        try:
            return attempt(job, executor, report, stop)
        except StageLostError as error:
            executor.stop()
            job = replace(job, resume=is_map(job.out))
            committed = open_map(job.out).header.generation if job.resume else 0
            losses, reached = (1 if committed > reached else losses + 1), committed
            if losses > RECOVERIES:
                raise StageError(f"{error} {losses} times in a row without progress. The map is kept.") from error
            logger.warning("%s Going on from the last commit.", error)
        finally:
            executor.stop()


def attempt(job: Job, executor: Any, report: Report, stop: StopRequest) -> Outcome:
    """One pass from the last commit, or from the start, to the end of the recording."""
    settings, recording = job.settings, job.recording
    mapping = executor.start(Mapping, settings, job.out, job.header, job.resume)
    header, states = executor.call(mapping, "start")
    if header.progress.complete:
        raise PipelineError(f"{job.out} is complete: all {header.progress.next_frame} frames are in it.")
    cursor = header.progress.next_frame
    outcome = Outcome(first_frame=cursor)
    sensor = recording.has_depth and settings.run.depth != "predicted"
    model = model_class(settings.model.name)
    adds_nothing = sensor and model.label_space is None  # beside a sensor's depth, only labels are taken
    tracking = executor.start(Tracking, settings, job.camera, sensor, states.get("tracking", {}))
    looked_with = settings.model.model_copy(update={"sweep": False}) if sensor else settings.model
    inference = executor.start(Inference, looked_with, adds_nothing, settings.run.moving_classes)
    selector = ViewSelector(settings.view_selection)
    aligner = ScaleAligner(
        settings.scale,
        ScaleStatus.METRIC if sensor else model.depth_scale,
        "sensor depth" if sensor else f"{model.name} depth",
        0.0 if sensor else model.scale_error(settings.model),
    )
    path = ScalePath.restored(states["scale_path"]) if "scale_path" in states else ScalePath()
    frames = _resumed(recording, cursor, states, selector, aligner)

    entering = arrivals(_until(stop, frames), settings.run.commit_frames, cursor)
    tracked = executor.map(tracking, "track", entering, in_flight=FRAMES_IN_FLIGHT)
    steps = select_keyframes(_timed(tracked, outcome.pose_latency_s), selector)
    scaled = bring_to_scale(steps, aligner, look=sensed if sensor else partial(_looked, executor, inference))
    relieve = without_keyframe if recording.is_live else None
    predicted = executor.map(inference, "predict", scaled, in_flight=KEYFRAMES_IN_FLIGHT, relieve=relieve)
    placed = keep_to_scale(predicted, path, settings.scale.min_points)
    slim = ((step.without_images(), prediction) for step, prediction in placed)
    for (step, _), outcome.progress in executor.map(mapping, "integrate", slim, in_flight=STEPS_IN_FLIGHT):
        if step.views is not None:
            outcome.map_latency_s.append(time.monotonic() - step.received_s)
        report(outcome.progress)

    final = {
        "tracking": executor.call(tracking, "snapshot"),
        "selection": selector.state(),
        "scale": aligner.state(),
        "scale_path": path.state(),
    }
    outcome.progress = executor.call(mapping, "finish", final, not stop, recording.dropped)
    executor.call(mapping, "close")
    report(outcome.progress)
    return outcome


def sensed(step: Step) -> tuple[np.ndarray, np.ndarray]:
    """Sensor depth of a keyframe and where there is some, [h,w] each."""
    reference = step.views.reference
    shape = (reference.camera.height, reference.camera.width)
    depth_m = np.zeros(shape, np.float32) if reference.depth_m is None else reference.depth_m
    return depth_m, (depth_m > 0).astype(np.float32)


def _looked(executor: Any, inference: Any, step: Step) -> tuple[np.ndarray, np.ndarray]:
    """A network's depth of a keyframe looked at alone, and its confidence."""
    prediction = executor.call(inference, "predict", replace(step, single_view=True))
    return prediction.depth_m, prediction.confidence


def without_keyframe(step: Step) -> Step:
    """A live run that is behind passes this keyframe over; its frames stay in the trajectory."""
    return replace(step, views=None)


def _timed(
    tracked: Iterable[tuple[Arrival, TrackedFrame]], latency_s: list[float]
) -> Iterator[tuple[Arrival, TrackedFrame]]:
    for arrival, word in tracked:
        latency_s.append(time.monotonic() - arrival.received_s)
        yield arrival, word


def _until(stop: StopRequest, frames: Iterable[Frame | SkippedFrame]) -> Iterator[Frame | SkippedFrame]:
    for frame in frames:
        if stop:
            return
        yield frame


def _resumed(
    recording: Recording, cursor: int, states: dict[str, State], selector: ViewSelector, aligner: ScaleAligner
) -> Iterator[Frame | SkippedFrame]:
    """Frames from the cursor on, after selector and aligner were brought to where they were at the commit."""
    if "scale" in states:
        aligner.restore(states["scale"])
    if "selection" not in states:
        yield from recording.frames(cursor)
        return
    needed = set(selector.frames_needed(states["selection"]))
    images: dict[int, Frame] = {}
    restored = False
    for frame in recording.frames(min(needed | {cursor})):
        if frame.index < cursor:
            if frame.index in needed and isinstance(frame, Frame):
                images[frame.index] = frame
            continue
        if not restored:
            selector.restore(states["selection"], images)
            restored = True
        yield frame
    if not restored:  # nothing came after the cursor
        selector.restore(states["selection"], images)
