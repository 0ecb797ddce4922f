"""Running a tracker over a clip, and what must hold of every run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from mapping.slam.tracked import TrackedFrame, Trajectory
from mapping.slam.tracker import Tracker
from streammtl.views import Frame


def run(
    tracker: Tracker, frames: Sequence[Frame], checkpoint_at: int | None = None
) -> tuple[list[TrackedFrame], dict[int, np.ndarray]]:
    """The tracker's answers, and the poses in the end by frame index."""
    answers = [tracker.track(frame, checkpoint=frame.index == checkpoint_at) for frame in frames]
    trajectory = Trajectory()
    for answer in answers:
        trajectory.add(dataclasses.replace(answer))
    return answers, {frame.index: frame.T_world_cam for frame in trajectory.frames() if frame.T_world_cam is not None}


def without_depth(frames: Sequence[Frame]) -> list[Frame]:
    return [dataclasses.replace(frame, depth_m=None) for frame in frames]


def check_that_it_goes_on(
    resumed: Tracker, frames: Sequence[Frame], answers: Sequence[TrackedFrame], after: int
) -> None:
    """A fresh tracker that takes over the state of frame `after` answers all later frames bit for bit as before."""
    resumed.restore(answers[after].state)
    for frame, expected in zip(frames[after + 1 :], answers[after + 1 :], strict=True):
        answer = resumed.track(frame)
        for name in ("status", "reference", "component"):
            assert getattr(answer, name) == getattr(expected, name)
        assert (answer.T_world_cam is None) == (expected.T_world_cam is None)
        assert expected.T_world_cam is None or np.array_equal(answer.T_world_cam, expected.T_world_cam)
        assert answer.revised.keys() == expected.revised.keys()
        assert all(np.array_equal(answer.revised[i], expected.revised[i]) for i in answer.revised)
