"""Clips that spoil tracking: what is lost, what is found again, and what is another place."""

import dataclasses

import cv2
import numpy as np
import pytest

from mapping.slam.rigid import inverse, rotation_angle_deg, rotation_matrix
from mapping.slam.settings import TrackerSettings
from mapping.slam.tracked import TrackStatus
from mapping.slam.tracker import make_tracker
from tests.mapping.slam.tracking_runs import check_that_it_goes_on, run, without_depth

SETTINGS = TrackerSettings()
LONG = SETTINGS.lost_before_restart + 4


def with_images(frames, images):
    """The frames with other images at some indices."""
    return [dataclasses.replace(f, image=images[f.index]) if f.index in images else f for f in frames]


def numbered(frames):
    """The frames as one clip of 30 a second."""
    return [dataclasses.replace(frame, index=i, timestamp_s=i / 30) for i, frame in enumerate(frames)]


def noise(count):
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (240, 320, 3)).astype(np.uint8) for _ in range(count)]


def track(room, frames, depth, settings=SETTINGS):
    return run(make_tracker(settings, room.camera, depth), frames)


def error_m(poses, truth, metric):
    """RMS distance of paired poses from the truth, in the truth's unit, after aligning the first of them."""
    moved = [inverse(poses[0]) @ T for T in poses]
    expected = [inverse(truth[0]) @ T for T in truth]
    x, y = (np.array([T[:3, 3] for T in side]) for side in (moved, expected))
    scale = 1.0 if metric else (x * y).sum() / (x * x).sum()
    return np.sqrt(((scale * x - y) ** 2).sum(1).mean())


@pytest.mark.parametrize("depth", [True, False])
def test_after_black_and_noise_the_camera_is_found_at_once(box_room, clip, depth):
    frames = clip[0] if depth else without_depth(clip[0])
    spoilt = [np.zeros((240, 320, 3), np.uint8)] * LONG + noise(LONG)
    frames = with_images(frames, dict(enumerate(spoilt, start=70)))
    answers, poses = track(box_room, frames, depth)
    found = 70 + len(spoilt)
    assert {answer.status for answer in answers[70:found]} <= {TrackStatus.LOST, TrackStatus.INITIALISING}
    assert all(answer.T_world_cam is None and answer.reason for answer in answers[70:found])
    assert {answer.status for answer in answers[found:]} == {TrackStatus.TRACKED}
    assert {answer.component for answer in answers[found:]} == {0}
    both = [i for i in sorted(poses) if i >= 40]
    assert error_m([poses[i] for i in both], [clip[1][i] for i in both], depth) < 0.01


def test_a_place_that_the_local_map_has_forgotten_is_found_again(box_room, clip):
    settings = TrackerSettings(max_keyframes=10, window=4, wide_window=4, keyframe_angle_deg=1.5)
    frames = clip[0][:100] + [dataclasses.replace(clip[0][0], image=image) for image in noise(LONG)] + clip[0][:20]
    answers, poses = track(box_room, numbered(frames), True, settings)
    assert {answer.status for answer in answers[-20:]} == {TrackStatus.TRACKED}
    assert {answer.component for answer in answers if answer.T_world_cam is not None} == {0}
    last = range(len(frames) - 20, len(frames))
    assert error_m([poses[0]] + [poses[i] for i in last], [clip[1][0], *clip[1][:20]], metric=True) < 0.03


@pytest.mark.parametrize("depth", [True, False])
def test_an_unrelated_middle_part_is_another_component(box_room, other_room, clip, depth):
    frames, poses = clip
    other = [other_room.frame(i, T, with_depth=True) for i, T in enumerate(poses[:70])]
    frames = numbered(frames[:70] + other + frames[60:100])
    answers, found = track(box_room, frames if depth else without_depth(frames), depth)
    middle = [a for a in answers[70:140] if a.T_world_cam is not None]
    assert {a.component for a in middle} == {1} and len(middle) > 20
    back = answers[140:]
    assert {(a.component, a.status) for a in back} == {(0, TrackStatus.TRACKED)}
    assert error_m([found[60], found[140]], [poses[60], poses[60]], True) < 0.01


def test_noise_with_depth_starts_no_component(box_room, clip):
    frames = with_images(clip[0][:80], dict(enumerate(noise(2 * LONG), start=40)))
    answers, _ = track(box_room, frames, True)
    assert {answer.component for answer in answers if answer.T_world_cam is not None} == {0}


@pytest.mark.parametrize("depth", [True, False])
def test_repeated_frames_stay_tracked(box_room, clip, depth):
    frames = clip[0] if depth else without_depth(clip[0])
    repeated = [frames[i - i % 3] for i in range(90)]
    answers, poses = track(box_room, numbered(repeated), depth)
    assert {answer.status for answer in answers[60:]} == {TrackStatus.TRACKED}
    assert {answer.component for answer in answers} == {0}
    assert error_m([poses[60], poses[61], poses[62]], [clip[1][60]] * 3, True) < 0.002


def test_a_jump_of_the_exposure_is_survived(box_room, clip):
    darker = {f.index: (f.image * 0.45).astype(np.uint8) for f in clip[0] if 30 <= f.index < 50}
    answers, poses = track(box_room, with_images(clip[0][:70], darker), True)
    assert {answer.status for answer in answers} == {TrackStatus.TRACKED}
    assert error_m([poses[i] for i in range(70)], clip[1][:70], True) < 0.01


def test_a_blurred_stretch_loses_nothing_for_long(box_room, clip):
    blurred = {i: cv2.blur(clip[0][i].image, (21, 1)) for i in range(30, 38)}
    answers, poses = track(box_room, with_images(clip[0][:70], blurred), True)
    assert {answer.status for answer in answers[38:]} == {TrackStatus.TRACKED}
    assert {answer.component for answer in answers} == {0}
    assert error_m([poses[i] for i in range(38, 70)], clip[1][38:70], True) < 0.01


def test_few_frames_a_second_and_fast_turns_are_tracked(box_room, clip):
    """Six of the clip's frames at a time: up to 50 pixels of motion from one to the next."""
    answers, poses = track(box_room, [dataclasses.replace(f, index=f.index // 6) for f in clip[0][::6]], True)
    assert {answer.status for answer in answers} == {TrackStatus.TRACKED}
    assert error_m([poses[i] for i in range(20)], clip[1][::6], True) < 0.01


def test_a_turn_that_outruns_its_landmarks_stays_one_component_without_depth(box_room, clip):
    """Seven degrees a frame and a centimetre: what comes into sight has no parallax before what is known has left."""
    path = list(clip[1][:60:4])
    step = np.eye(4)
    step[:3, :3], step[0, 3] = rotation_matrix(np.array([0.0, np.radians(7.0), 0.0])), 0.01
    for _ in range(15):
        path.append(path[-1] @ step)
    frames = [dataclasses.replace(box_room.frame(i, T), timestamp_s=i / 5) for i, T in enumerate(path)]
    answers, poses = track(box_room, frames, False)
    assert {answer.status for answer in answers[-15:]} == {TrackStatus.TRACKED}
    assert {answer.component for answer in answers} == {0}
    assert error_m([poses[i] for i in sorted(poses)], [path[i] for i in sorted(poses)], False) < 0.01
    off = inverse(inverse(path[14]) @ path[-1]) @ inverse(poses[14]) @ poses[len(path) - 1]
    assert rotation_angle_deg(off[:3, :3]) < 1.0


def test_a_tracker_restored_while_lost_goes_on_bit_for_bit(box_room, clip):
    at = 75
    frames = without_depth(with_images(clip[0], dict(enumerate(noise(2 * LONG), start=70))))
    answers, _ = run(make_tracker(SETTINGS, box_room.camera, False), frames, checkpoint_at=at)
    check_that_it_goes_on(make_tracker(SETTINGS, box_room.camera, False), frames, answers, at)
    assert answers[-1].status is TrackStatus.TRACKED
