from dataclasses import replace

import numpy as np
import pytest

from mapping.slam.settings import TrackerSettings
from mapping.slam.tracked import TrackStatus
from mapping.slam.tracker import make_tracker
from streammtl.camera import Camera
from streammtl.views import Frame, ScaleStatus, SkippedFrame

CAMERA = Camera.pinhole(32, 24, 30.0, 30.0, 15.5, 11.5)


def frame(index, T_world_cam):
    return Frame(index, index / 10, np.zeros((24, 32, 3), np.uint8), CAMERA, None, T_world_cam)


def at(x):
    T = np.eye(4)
    T[0, 3] = x
    return T


@pytest.fixture
def tracker():
    return make_tracker(TrackerSettings(name="given", max_speed_m_s=2.0), CAMERA, has_depth=False)


def test_given_poses_are_passed_on_as_metric(tracker):
    tracked = tracker.track(frame(4, at(1.0)))
    assert tracked.status is TrackStatus.TRACKED and tracked.scale_status is ScaleStatus.METRIC
    assert np.array_equal(tracked.T_world_cam, at(1.0))
    assert (tracked.index, tracked.reference, tracked.points, tracked.reason) == (4, 4, None, "")


def test_poses_of_unknown_unit_stay_so_and_bring_the_points_that_the_image_shows(tracker):
    points = np.array([[0.0, 0.0, 3.0], [0.0, 0.0, -3.0], [50.0, 0.0, 3.0]])
    given = replace(frame(0, at(0.0)), points_xyz=points, pose_scale=ScaleStatus.UP_TO_SCALE)
    tracked = tracker.track(given)
    assert tracked.scale_status is ScaleStatus.UP_TO_SCALE
    np.testing.assert_allclose(tracked.points.uv, [[15.5, 11.5]])
    np.testing.assert_array_equal(tracked.points.xyz, points[:1])


@pytest.mark.parametrize("pose", [None, np.full((4, 4), np.nan), np.eye(3), np.diag([1.0, 1, -1, 1]), 2 * np.eye(4)])
def test_a_frame_without_a_rigid_pose_is_lost_with_a_reason(tracker, pose):
    tracked = tracker.track(frame(0, pose))
    assert tracked.status is TrackStatus.LOST and tracked.T_world_cam is None and tracked.reason
    assert tracker.track(frame(1, at(0.0))).status is TrackStatus.TRACKED


def test_a_jump_is_flagged_and_kept(tracker):
    assert tracker.track(frame(0, at(0.0))).reason == ""
    assert tracker.track(frame(1, at(0.1))).reason == ""
    jumped = tracker.track(frame(2, at(5.0)))
    assert "49.0 m/s" in jumped.reason and np.array_equal(jumped.T_world_cam, at(5.0))
    assert tracker.track(frame(3, at(5.1))).reason == ""


def test_a_restored_tracker_still_knows_where_it_was(tracker):
    first = tracker.track(frame(0, at(0.0)), checkpoint=True)
    fresh = make_tracker(tracker.settings, CAMERA, has_depth=False)
    fresh.restore(first.state)
    assert "m/s" in fresh.track(frame(1, at(9.0))).reason


def test_skipped_frames_keep_their_reason(tracker):
    tracked = tracker.skip(SkippedFrame(7, 0.7, "cannot be decoded"), checkpoint=True)
    assert (tracked.index, tracked.status, tracked.reason) == (7, TrackStatus.SKIPPED, "cannot be decoded")
    assert tracked.state is not None
