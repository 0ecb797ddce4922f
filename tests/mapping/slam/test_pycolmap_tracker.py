import dataclasses

import numpy as np
import pytest

from mapping.slam.rigid import inverse, rotation_angle_deg, rotation_matrix, transform
from mapping.slam.settings import TrackerSettings
from mapping.slam.tracked import TrackStatus
from mapping.slam.tracker import make_tracker
from streammtl.views import Frame, ScaleStatus, SkippedFrame
from tests.mapping.slam.tracking_runs import check_that_it_goes_on, run, without_depth

SETTINGS = TrackerSettings()


def centres(poses):
    return np.array([T[:3, 3] for T in poses])


def aligned_error(estimated, truth, with_scale):
    """RMS distance after the best rotation, translation and scale. Source: Umeyama, PAMI 1991."""
    x, y = centres(estimated), centres(truth)
    xc, yc = x - x.mean(0), y - y.mean(0)
    U, S, Vt = np.linalg.svd(yc.T @ xc)
    flip = np.array([1, 1, np.sign(np.linalg.det(U @ Vt))])
    scale = (S * flip).sum() / (xc**2).sum() if with_scale else 1.0
    return np.sqrt(((scale * xc @ (U * flip @ Vt).T - yc) ** 2).sum(1).mean())


@pytest.fixture(scope="module")
def with_depth(box_room, clip):
    return run(make_tracker(SETTINGS, box_room.camera, has_depth=True), clip[0], checkpoint_at=60)


@pytest.fixture(scope="module")
def images_alone(box_room, clip):
    return run(make_tracker(SETTINGS, box_room.camera, has_depth=False), without_depth(clip[0]), checkpoint_at=80)


def test_with_depth_every_frame_is_tracked_in_metres(with_depth, clip):
    answers, poses = with_depth
    assert {answer.status for answer in answers} == {TrackStatus.TRACKED}
    assert {answer.scale_status for answer in answers} == {ScaleStatus.METRIC}
    truth = clip[1]
    assert aligned_error([poses[i] for i in range(120)], truth, with_scale=False) < 0.004
    in_room = [truth[0] @ poses[i] for i in range(120)]  # the tracker's world is the first camera
    turned = [rotation_angle_deg(inverse(truth[i])[:3, :3] @ in_room[i][:3, :3]) for i in range(120)]
    assert max(turned) < 0.5


def test_without_depth_the_path_is_right_up_to_scale(images_alone, clip):
    answers, poses = images_alone
    assert {answer.scale_status for answer in answers} == {ScaleStatus.UP_TO_SCALE}
    assert aligned_error([poses[i] for i in sorted(poses)], [clip[1][i] for i in sorted(poses)], True) < 0.004


def test_the_start_waits_for_parallax_and_then_poses_the_waiting_frames(images_alone):
    answers, poses = images_alone
    first = next(answer for answer in answers if answer.status is TrackStatus.TRACKED)
    assert 8 < first.index < 60  # the camera rests for six frames
    assert all(answer.status is TrackStatus.INITIALISING and answer.reason for answer in answers[: first.index])
    assert set(first.revised) == set(range(first.index))
    assert sorted(poses) == list(range(120))


def test_the_first_landmarks_lie_at_the_nominal_depth(images_alone):
    first = next(answer for answer in images_alone[0] if answer.status is TrackStatus.TRACKED)
    depth = (first.points.xyz - first.revised[0][:3, 3]) @ first.revised[0][:3, 2]
    assert np.median(depth) == pytest.approx(2.0, rel=0.15)


def test_sparse_points_lie_where_they_are_seen(with_depth, images_alone, box_room):
    camera = box_room.camera
    for answer in (*with_depth[0][50:60], *images_alone[0][70:80]):
        in_camera = (answer.points.xyz - answer.T_world_cam[:3, 3]) @ answer.T_world_cam[:3, :3]
        uv = in_camera[:, :2] / in_camera[:, 2:] * [camera.fx, camera.fy] + [camera.cx, camera.cy]
        assert 50 < len(uv) <= 300
        assert np.median(np.linalg.norm(uv - answer.points.uv, axis=1)) < 0.5


def test_every_pose_says_how_well_it_is_known(with_depth, images_alone):
    for answers in (with_depth[0], images_alone[0]):
        first = next(answer for answer in answers if answer.status is TrackStatus.TRACKED)
        later = answers[first.index + 1 :]
        assert first.covariance is None and np.isnan(first.confidence)  # it begins the map: nothing to compare with
        assert all(np.linalg.eigvalsh(answer.covariance).min() > 0 for answer in later)
        assert all(0.9 < answer.confidence <= 1 for answer in later)


def test_metric_landmarks_lie_on_the_walls(with_depth, box_room, clip):
    xyz = transform(clip[1][0], with_depth[0][-1].points.xyz)
    to_wall = np.abs(np.abs(xyz) - box_room.half_size).min(axis=1)
    assert np.median(to_wall) < 0.01


def test_frames_hang_on_keyframes_that_exist(with_depth, images_alone):
    for answers in (with_depth[0], images_alone[0]):
        keyframes = {answer.index for answer in answers if answer.reference == answer.index}
        assert len(keyframes) >= 3
        assert {answer.reference for answer in answers if answer.T_world_cam is not None} <= keyframes


@pytest.mark.parametrize(("depth", "at"), [(True, 60), (False, 80), (False, 12)])
def test_a_restored_tracker_continues_bit_for_bit(box_room, clip, depth, at):
    frames = clip[0] if depth else without_depth(clip[0])
    answers, _ = run(make_tracker(SETTINGS, box_room.camera, depth), frames, checkpoint_at=at)
    assert sum(array.nbytes for array in answers[at].state.values()) < 2e6
    check_that_it_goes_on(make_tracker(SETTINGS, box_room.camera, depth), frames, answers, at)


def test_a_turn_on_the_spot_does_not_start_without_depth(box_room):
    tracker = make_tracker(SETTINGS, box_room.camera, has_depth=False)
    for i in range(25):
        T = np.eye(4)
        T[:3, :3] = rotation_matrix(np.array([0.0, 0.01 * i, 0.004 * i]))
        assert tracker.track(box_room.frame(i, T)).status is TrackStatus.INITIALISING


def test_a_turn_on_the_spot_stays_tracked_on_known_landmarks(box_room, clip):
    frames, poses = clip
    tracker = make_tracker(SETTINGS, box_room.camera, has_depth=False)
    run(tracker, without_depth(frames[:80]))
    for i in range(80, 100):
        T = poses[79].copy()
        T[:3, :3] = T[:3, :3] @ rotation_matrix(np.array([0.0, 0.012 * (i - 79), 0.0]))
        assert tracker.track(box_room.frame(i, T)).status is TrackStatus.TRACKED


def test_a_camera_at_rest_stays_tracked_and_makes_no_keyframes(box_room, clip):
    frames, _ = clip
    tracker = make_tracker(SETTINGS, box_room.camera, has_depth=True)
    run(tracker, frames[:50])
    still = [tracker.track(dataclasses.replace(frames[49], index=50 + i, timestamp_s=5.0 + i / 30)) for i in range(20)]
    assert {answer.status for answer in still} == {TrackStatus.TRACKED}
    assert len({answer.reference for answer in still}) == 1
    positions = centres([answer.T_world_cam for answer in still])
    assert np.abs(positions - positions[0]).max() < 0.001


def black(frame):
    return dataclasses.replace(frame, image=np.zeros_like(frame.image))


def test_a_short_black_stretch_is_bridged(box_room, clip):
    frames = [black(frame) if 60 <= frame.index < 63 else frame for frame in clip[0]]
    answers, _ = run(make_tracker(SETTINGS, box_room.camera, True), frames)
    assert [answer.status for answer in answers[60:63]] == [TrackStatus.LOST] * 3
    assert {answer.status for answer in answers[63:]} == {TrackStatus.TRACKED}
    assert {answer.component for answer in answers} == {0}


def test_unusable_frames_are_skipped_and_survived(box_room, clip):
    tracker = make_tracker(SETTINGS, box_room.camera, has_depth=True)
    run(tracker, clip[0][:10])
    small = tracker.track(Frame(10, 0.34, np.zeros((24, 32, 3), np.uint8)))
    grey = tracker.track(Frame(11, 0.37, np.zeros((240, 320), np.uint8)))
    told = tracker.skip(SkippedFrame(12, 0.4, "the file is damaged"), checkpoint=True)
    assert [small.status, grey.status, told.status] == [TrackStatus.SKIPPED] * 3
    assert "240, 320" in small.reason and told.reason == "the file is damaged" and told.state is not None
    assert tracker.track(clip[0][13]).status is TrackStatus.TRACKED


@pytest.mark.parametrize("depth", [True, False])
def test_no_image_makes_the_tracker_raise(box_room, clip, depth):
    rng = np.random.default_rng(0)
    shape = (240, 320, 3)
    odd_images = [
        np.zeros(shape, np.uint8),
        np.full(shape, 255, np.uint8),
        *rng.integers(0, 255, (6, *shape)).astype(np.uint8),
        np.tile(np.uint8([[0, 255], [255, 0]])[..., None], (120, 160, 3)),
    ]
    odd_depths = [np.full((240, 320), np.nan, np.float32), np.full((240, 320), -1.0, np.float32), np.ones((5, 5)), None]
    tracker = make_tracker(SETTINGS, box_room.camera, depth)
    for i in range(60):
        image = odd_images[i % len(odd_images)] if i % 3 else clip[0][i].image
        answer = tracker.track(
            Frame(i, i / 30, image, box_room.camera, odd_depths[i % 4] if i % 5 else clip[0][i].depth_m)
        )
        assert answer.T_world_cam is None or np.isfinite(answer.T_world_cam).all()
        assert answer.status is TrackStatus.TRACKED or answer.reason


def test_tracking_goes_on_where_depth_fails(box_room, clip):
    frames, poses = clip
    blind = [dataclasses.replace(f, depth_m=None if 20 <= f.index < 60 else f.depth_m) for f in frames]
    answers, estimated = run(make_tracker(SETTINGS, box_room.camera, True), blind)
    assert {answer.status for answer in answers} == {TrackStatus.TRACKED}
    assert aligned_error([estimated[i] for i in range(120)], poses, with_scale=False) < 0.01


def test_poses_from_images_alone_do_not_look_at_depth(box_room, clip):
    tracker = make_tracker(SETTINGS, box_room.camera, has_depth=False)
    answers, poses = run(tracker, clip[0][:70])
    without, poses_without = run(make_tracker(SETTINGS, box_room.camera, False), without_depth(clip[0][:70]))
    assert [a.status for a in answers] == [a.status for a in without]
    assert poses and all(np.array_equal(T, poses_without[i]) for i, T in poses.items())


def test_a_checkpoint_while_bundle_adjustment_is_under_way_loses_nothing(box_room, clip):
    frames = without_depth(clip[0])
    answers, _ = run(make_tracker(SETTINGS, box_room.camera, has_depth=False), frames)
    keyframe = next(a.index for a in answers if a.index > 40 and a.reference == a.index)
    again, _ = run(make_tracker(SETTINGS, box_room.camera, has_depth=False), frames, checkpoint_at=keyframe)
    assert again[keyframe].state["adjusted.counters"][0]  # under way
    resumed = make_tracker(SETTINGS, box_room.camera, has_depth=False)
    check_that_it_goes_on(resumed, frames, again, keyframe)
