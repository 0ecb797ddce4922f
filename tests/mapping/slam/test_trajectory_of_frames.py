"""Poses that follow their keyframes."""

import numpy as np

from mapping.slam.tracked import TrackedFrame, TrackStatus, Trajectory
from streammtl.views import ScaleStatus


def at(x, y=0.0):
    T = np.eye(4)
    T[:2, 3] = x, y
    return T


def tracked(index, T, reference=None, **more):
    status = TrackStatus.INITIALISING if T is None else TrackStatus.TRACKED
    return TrackedFrame(index, index / 30, status, ScaleStatus.METRIC, T_world_cam=T, reference=reference, **more)


def test_a_frame_moves_with_its_keyframe():
    trajectory = Trajectory()
    trajectory.add(tracked(0, at(0), reference=0))
    trajectory.add(tracked(1, at(1), reference=0))
    trajectory.add(tracked(2, at(2), reference=2, revised={0: at(0, 5)}))
    assert np.allclose(trajectory.pose(1), at(1, 5))
    assert np.allclose(trajectory.pose(2), at(2))


def test_a_late_pose_makes_a_frame_tracked():
    trajectory = Trajectory()
    trajectory.add(tracked(0, None))
    assert trajectory.pose(0) is None
    trajectory.add(tracked(1, at(1), reference=1, revised={0: at(0.5)}))
    assert np.allclose(trajectory.pose(0), at(0.5))
    assert [f.status for f in trajectory.frames()] == [TrackStatus.TRACKED, TrackStatus.TRACKED]


def test_what_becomes_of_a_frame_does_not_reach_those_who_still_hold_it():
    """Frames wait for their scale on their way to the map, while the selection of views already revises its own."""
    trajectory, first, second = Trajectory(), tracked(0, at(0), reference=0), tracked(1, None)
    trajectory.add(first)
    trajectory.add(second)
    trajectory.add(tracked(2, at(2), reference=2, revised={0: at(0, 5), 1: at(1)}))
    assert len(trajectory.frames()) == 3
    assert np.array_equal(first.T_world_cam, at(0))
    assert second.T_world_cam is None and second.status is TrackStatus.INITIALISING


def test_forgetting_freezes_poses_that_hang_on_what_is_forgotten():
    trajectory = Trajectory()
    trajectory.add(tracked(0, at(0), reference=0))
    trajectory.add(tracked(1, at(1), reference=0, revised={0: at(0, 3)}))
    trajectory.add(tracked(2, at(2), reference=0, revised={0: at(0, 4)}))
    trajectory.forget_before(2)
    trajectory.add(tracked(3, at(3), reference=3, revised={0: at(0, 9)}))
    assert np.allclose(trajectory.pose(2), at(2))
    assert trajectory.pose(0) is None


def test_a_restored_trajectory_is_the_same_to_the_bit():
    trajectory = Trajectory()
    rng = np.random.default_rng(0)
    trajectory.add(tracked(0, None))
    for index in range(1, 9):
        T = at(*rng.normal(size=2))
        trajectory.add(tracked(index, T, reference=index - index % 3 or 1, revised={1: at(*rng.normal(size=2))}))
    copy = Trajectory()
    copy.restore(trajectory.state())
    for one in (trajectory, copy):
        one.add(tracked(9, at(9), reference=9, revised={3: at(0.1)}))
    for a, b in zip(trajectory.frames(), copy.frames(), strict=True):
        assert (a.index, a.status, a.reference) == (b.index, b.status, b.reference)
        assert (a.T_world_cam is None and b.T_world_cam is None) or np.array_equal(a.T_world_cam, b.T_world_cam)
