"""Keyframes and neighbours: closed forms of the penalty, overlap, delay, state."""

import numpy as np
import pytest

from mapping.slam.tracked import SparsePoints, TrackedFrame, TrackStatus
from mapping.slam.view_selection import (
    View,
    ViewSelectionSettings,
    ViewSelector,
    frustum_overlap,
    neighbour_penalty,
    pose_distance,
)
from streammtl.camera import Camera
from streammtl.views import Frame, ScaleStatus

CAMERA = Camera.pinhole(64, 48, 60, 60, 31.5, 23.5)
IMAGE = np.zeros((48, 64, 3), np.uint8)


def at(x=0.0, yaw_deg=0.0):
    angle = np.radians(yaw_deg)
    T = np.eye(4)
    T[:3, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    T[0, 3] = x
    return T


def rotation_measure(angle_deg):
    return np.sqrt(2 * (1 - (1 + 2 * np.cos(np.radians(angle_deg))) / 3))


def feed(selector, poses, component=0, first=0):
    due = []
    for index, T in enumerate(poses, first):
        frame = Frame(index, index / 30, IMAGE, CAMERA)
        tracked = TrackedFrame(
            index, index / 30, TrackStatus.TRACKED, ScaleStatus.METRIC, component, T_world_cam=T, reference=index
        )
        due += selector.select(frame, tracked)
    return due


@pytest.mark.parametrize(
    ("translation", "angle_deg", "expected"),
    [(0.15, 0, 0.0), (0.05, 0, 0.05), (0.30, 0, 0.0225), (0.15, 15, 0.0454), (0.05, 30, 0.2286)],
)
def test_the_neighbour_penalty_has_its_published_values(translation, angle_deg, expected):
    assert neighbour_penalty(translation, rotation_measure(angle_deg), 0.15) == pytest.approx(expected, abs=5e-4)


def test_pose_distance_is_zero_to_itself_and_symmetric():
    a, b = at(0.3, 10), at(-0.2, 35)
    assert pose_distance(a, a) == pytest.approx((0, 0), abs=1e-7)
    assert pose_distance(a, b) == pytest.approx(pose_distance(b, a))
    assert pose_distance(at(), at(0.25))[0] == pytest.approx(0.25)


def test_frustum_overlap_falls_from_one_to_zero_as_the_camera_turns_away():
    def view(T):
        return View(0, 0.0, IMAGE, CAMERA, T)

    overlaps = [frustum_overlap(view(at()), view(at(0, angle)), 2.0) for angle in (0, 15, 30, 90, 180)]
    assert overlaps[0] == 1.0
    assert overlaps == sorted(overlaps, reverse=True)
    assert overlaps[-1] == 0.0


def test_a_still_camera_gives_one_keyframe_only():
    selector = ViewSelector(ViewSelectionSettings(delay=0))
    assert [v.reference.index for v in feed(selector, [at()] * 10)] == [0]


def test_keyframes_come_at_the_set_distance():
    selector = ViewSelector(ViewSelectionSettings(delay=0, min_distance=0.1))
    due = feed(selector, [at(0.03 * i) for i in range(13)])
    assert [v.reference.index for v in due] == [0, 4, 8, 12]


def test_the_delay_brings_later_neighbours():
    poses = [at(0.15 * i) for i in range(6)]
    without = feed(ViewSelector(ViewSelectionSettings(delay=0, k=2)), poses)
    delayed_selector = ViewSelector(ViewSelectionSettings(delay=2, k=2))
    delayed = feed(delayed_selector, poses) + delayed_selector.flush()
    assert [v.reference.index for v in delayed] == [v.reference.index for v in without]
    assert {n.index for n in delayed[2].neighbours} == {1, 3}
    assert all(n.index < 2 for n in without[2].neighbours)


def test_equal_neighbours_are_ranked_by_recency():
    selector = ViewSelector(ViewSelectionSettings(delay=1, k=1))
    due = feed(selector, [at(0.0), at(0.15), at(0.30)])
    assert due[1].reference.index == 1
    assert due[1].neighbours[0].index == 2


def test_neighbours_that_look_elsewhere_or_have_no_parallax_are_left_out():
    selector = ViewSelector(ViewSelectionSettings(delay=0, k=5))
    due = feed(selector, [at(0.0), at(0.0, 20), at(0.3, 120)])
    assert due[1].neighbours == []  # same place, turned
    assert due[2].neighbours == []  # looks elsewhere


def test_a_new_component_shares_no_neighbours_with_the_old_one():
    selector = ViewSelector(ViewSelectionSettings(delay=1))
    first = feed(selector, [at(0.0), at(0.15)])
    second = feed(selector, [at(0.3), at(0.45)], component=1, first=2) + selector.flush()
    assert [v.component for v in first + second] == [0, 0, 1, 1]
    assert {n.index for v in second[1:] for n in v.neighbours} == {2, 3}


def test_moved_poses_reach_the_tuples():
    selector = ViewSelector(ViewSelectionSettings(delay=1))
    feed(selector, [at(0.0)])
    frame = Frame(1, 1 / 30, IMAGE, CAMERA)
    revised = {0: at(-0.05)}
    tracked = TrackedFrame(
        1, 1 / 30, TrackStatus.TRACKED, ScaleStatus.METRIC, 0, T_world_cam=at(0.2), reference=1, revised=revised
    )
    assert selector.select(frame, tracked)[0].reference.T_world_cam[0, 3] == -0.05


def test_depth_range_follows_the_points_with_a_margin():
    selector = ViewSelector(ViewSelectionSettings(delay=0))
    xyz = np.stack([np.zeros(101), np.zeros(101), np.linspace(1, 3, 101)], axis=1)
    points = SparsePoints(np.full((101, 2), 20, np.float32), xyz)
    tracked = TrackedFrame(
        0, 0.0, TrackStatus.TRACKED, ScaleStatus.METRIC, 0, T_world_cam=at(), reference=0, points=points
    )
    views = selector.select(Frame(0, 0.0, IMAGE, CAMERA), tracked)[0]
    assert views.depth_range(0.5, 10) == pytest.approx((0.75 * 1.04, 1.25 * 2.96))
    views.points_depth = views.points_depth[:5]
    assert views.depth_range(0.5, 10) == (0.5, 10)


def test_a_restored_selector_goes_on_exactly():
    poses = [at(0.07 * i, i) for i in range(40)]
    whole = ViewSelector(ViewSelectionSettings())
    expected = feed(whole, poses) + whole.flush()
    first = ViewSelector(ViewSelectionSettings())
    got = feed(first, poses[:23])
    second = ViewSelector(ViewSelectionSettings())
    state = first.state()
    frames = {i: Frame(i, i / 30, IMAGE, CAMERA) for i in ViewSelector.frames_needed(state)}
    second.restore(state, frames)
    got += feed(second, poses[23:], first=23) + second.flush()
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert a.reference.index == b.reference.index
        assert [n.index for n in a.neighbours] == [n.index for n in b.neighbours]
        assert np.array_equal(a.reference.T_world_cam, b.reference.T_world_cam)
