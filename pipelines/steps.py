"""From tracked frames to steps for inference and mapping: keyframes, checkpoints, scale."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from mapping.slam.rigid import moved_pose, scale_of
from mapping.slam.scale import ScaleAligner, ratio_at_points
from mapping.slam.scale_path import ScalePath
from mapping.slam.tracked import TrackedFrame, TrackStatus
from mapping.slam.view_selection import ViewSelector, ViewTuple
from pipelines.stages import Arrival, Prediction, Step
from streammtl.views import Frame, SkippedFrame


def arrivals(frames: Iterable[Frame | SkippedFrame], commit_frames: int, cursor: int) -> Iterator[Arrival]:
    """Frames with their arrival time; the first at or after each multiple of `commit_frames` asks for a checkpoint.

    That depends on frame indices alone, so a resumed run commits where the uninterrupted one does.
    """
    last = max(cursor - 1, 0) // commit_frames
    for frame in frames:
        yield Arrival(frame, frame.index // commit_frames > last, time.monotonic())
        last = frame.index // commit_frames


def select_keyframes(tracked_frames: Iterable[tuple[Arrival, TrackedFrame]], selector: ViewSelector) -> Iterator[Step]:
    """Steps of one keyframe each; a checkpoint ends a step with the states of tracker and selector after its frame."""
    tracked: list[TrackedFrame] = []
    for arrival, word in tracked_frames:
        due = selector.select(arrival.frame if isinstance(arrival.frame, Frame) else None, word)
        tracked.append(word)
        for views in due:
            yield Step(tracked, views, received_s=arrival.received_s)
            tracked = []
        if word.state is not None:
            yield Step(tracked, checkpoint={"tracking": word.state, "selection": selector.state()})
            tracked = []
    for views in selector.flush():
        yield Step(tracked, views, received_s=time.monotonic())
        tracked = []
    yield Step(tracked)


def bring_to_scale(
    steps: Iterable[Step], aligner: ScaleAligner, look: Callable[[Step], tuple[np.ndarray, np.ndarray]]
) -> Iterator[Step]:
    """Steps in map units. Steps of a component whose scale has to be measured first wait until it is, in order.

    `look` gives metric depth and its confidence, [h,w] each, of one keyframe without help of its neighbours: their
    baseline has no known length yet.
    Raises: ScaleError when the scale of the first component cannot be found, nor guessed; a later one is left out as
    lost.
    """
    waiting: list[Step] = []
    most = 2 * aligner.settings.max_keyframes  # that wait: of a component that ended too soon, and of those after it
    for step in steps:
        waiting.append(step)
        aligner.watch(step.tracked, step.views)
        for correction in (t.correction for t in step.tracked if t.correction is not None):
            aligner.join(correction)
        unknown = _unknown_components(step, aligner)
        if step.views is not None and step.views.component in unknown and aligner.needs_depth:
            aligner.observe(step.views, *look(step))
        if sum(held.views is not None for held in waiting) > most:
            _decide(waiting[0], aligner)
        while waiting and not _unknown_components(waiting[0], aligner):
            yield _released(waiting.pop(0), aligner)
    for step in waiting:
        _decide(step, aligner)
        yield _released(step, aligner)


def _decide(step: Step, aligner: ScaleAligner) -> None:
    for component in _unknown_components(step, aligner):
        if not aligner.conclude(component):
            aligner.give_up(component)


def _unknown_components(step: Step, aligner: ScaleAligner) -> list[int]:
    found = {t.component: t.scale_status for t in step.tracked if t.T_world_cam is not None}
    if step.views is not None:
        found[step.views.component] = step.views.scale_status
    return [component for component, poses in found.items() if not aligner.decided(component, poses)]


def _released(step: Step, aligner: ScaleAligner) -> Step:
    if step.checkpoint is not None:
        step.checkpoint["scale"] = aligner.state()
    for component in aligner.left_out - aligner.estimates.keys():
        _leave_out(step, component)
    return step.scaled(aligner.estimates)


def _leave_out(step: Step, component: int) -> None:
    for tracked in step.tracked:
        if tracked.component == component and tracked.T_world_cam is not None:
            tracked.T_world_cam, tracked.revised = None, {}
            tracked.status, tracked.reason = TrackStatus.LOST, "the scale of this stretch is unknown"
    if step.views is not None and step.views.component == component:
        step.views = None


def keep_to_scale(
    predicted: Iterable[tuple[Step, Prediction | None]], path: ScalePath, min_points: int
) -> Iterator[tuple[Step, Prediction | None]]:
    """The same in the world of the map, where lengths along the path keep the unit of its beginning."""
    for step, prediction in predicted:
        moves = path.before(step.tracked)
        views = step.views
        depth_m = prediction.own_depth_m if prediction is not None else None
        if depth_m is not None and step.scale is not None and step.scale.was_missing:
            ratio = ratio_at_points(depth_m, views.points_depth, min_points)
            path.take(views.component, views.reference.index, views.reference.T_world_cam, ratio)
        S = path.at(views.component, views.reference.index) if views is not None else None
        if S is not None:
            views, prediction = _moved_keyframe(views, prediction, S)
        if step.checkpoint is not None:
            step.checkpoint["scale_path"] = path.state()
        tracked = [path.placed(frame) for frame in step.tracked]
        yield replace(step, tracked=tracked, views=views, moves=moves, path_scale=path.told()), prediction


def _moved_keyframe(
    views: ViewTuple, prediction: Prediction | None, S: np.ndarray
) -> tuple[ViewTuple, Prediction | None]:
    factor = float(scale_of(S))
    reference = replace(views.reference, T_world_cam=moved_pose(S, views.reference.T_world_cam))
    views = replace(views, reference=reference, points_depth=views.points_depth * factor)
    if prediction is not None:
        prediction = replace(prediction, depth_m=(prediction.depth_m * factor).astype(np.float32))
    return views, prediction
