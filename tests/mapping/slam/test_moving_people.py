"""Clips in which a board as large as a person moves before the camera, and how it is kept out."""

import dataclasses

import cv2
import numpy as np
import pytest

from mapping.evaluation.trajectory import absolute_error
from mapping.slam import features
from mapping.slam.lens import Lens
from mapping.slam.local_map import LocalMap
from mapping.slam.movers import Movers
from mapping.slam.rigid import inverse
from mapping.slam.settings import TrackerSettings
from mapping.slam.tracked import TrackStatus
from mapping.slam.tracker import make_tracker
from tests.mapping.slam.tracking_runs import check_that_it_goes_on, run, without_depth

SETTINGS = TrackerSettings()
HALF_WIDTH_M, HALF_HEIGHT_M, TEXELS_PER_M = 0.18, 0.9, 150


def board_pose(poses, i):
    """Along with the camera for 1.5 s, then at rest, then across its view."""
    T = poses[0].copy()
    follow = poses[min(i, 45)][:3, 3] - poses[0][:3, 3]
    across = 0.4 * max(i - 75, 0) / 30
    T[:3, 3] += follow + T[:3, :3] @ np.array([0.25 - across, 0.0, 1.3])
    return T


def with_board(frame, T_world_cam, T_world_board, texture, camera):
    """The frame with a textured board before it, and bool [H,W] where that is."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], axis=-1)
    T_board_cam = inverse(T_world_board) @ T_world_cam
    rays, centre = rays @ T_board_cam[:3, :3].T, T_board_cam[:3, 3]
    depth = -centre[2] / rays[..., 2]
    x, y = (centre[axis] + rays[..., axis] * depth for axis in (0, 1))
    there = (np.abs(x) < HALF_WIDTH_M) & (np.abs(y) < HALF_HEIGHT_M) & (depth > 0) & (depth < frame.depth_m)
    looks = cv2.remap(
        texture,
        (x * TEXELS_PER_M + 300).astype(np.float32),
        (y * TEXELS_PER_M + 300).astype(np.float32),
        cv2.INTER_LINEAR,
    )
    image = np.where(there[..., None], looks[..., None], frame.image)
    return dataclasses.replace(
        frame, image=image, depth_m=np.where(there, depth, frame.depth_m).astype(np.float32)
    ), there


@pytest.fixture(scope="module")
def crowded(box_room, other_room, clip):
    """The clip with the board in it: frames, poses, and where the board is."""
    frames, poses = clip
    seen = [
        with_board(f, T, board_pose(poses, i), other_room.textures[0], box_room.camera)
        for i, (f, T) in enumerate(zip(frames, poses, strict=True))
    ]
    return [frame for frame, _ in seen], poses, np.array([there for _, there in seen])


def error_m(poses, truth, with_scale):
    posed = sorted(poses)
    estimate, expected = (np.stack([side[i] for i in posed]) for side in (poses, truth))
    return absolute_error(estimate, expected, with_scale).position_m.rmse


def on_image(region):
    return cv2.resize(region.astype(np.uint8), (320, 240), interpolation=cv2.INTER_NEAREST) > 0


def test_what_moves_by_itself_is_found_and_leads_the_camera_less_astray(crowded, box_room):
    frames, truth, there = crowded
    answers, poses = run(make_tracker(SETTINGS, box_room.camera, True), frames)
    assert {answer.status for answer in answers} == {TrackStatus.TRACKED}
    regions = {a.index: on_image(a.moving) for a in answers[95:] if a.moving is not None}
    assert len(regions) > 15
    assert np.mean([region[there[i]].mean() for i, region in regions.items()]) > 0.4
    assert np.mean([region[~there[i]].mean() for i, region in regions.items()]) < 0.1
    unwatched = TrackerSettings(watch_motion=False)
    led = error_m(run(make_tracker(unwatched, box_room.camera, True), frames)[1], truth, False)
    assert error_m(poses, truth, False) < 0.7 * led


@pytest.mark.parametrize("depth", [True, False])
def test_a_mask_of_what_moves_keeps_the_camera_on_its_path(crowded, box_room, depth):
    frames, truth, there = crowded
    frames = frames if depth else without_depth(frames)
    tracker = make_tracker(SETTINGS, box_room.camera, depth, see_moving=lambda frame: there[frame.index])
    answers, poses = run(tracker, frames)
    for answer in answers:
        if answer.points is not None:
            column, row = np.rint(answer.points.uv).astype(int).T
            assert there[answer.index][row, column].mean() < 0.05
    assert error_m(poses, truth, not depth) < 0.01


def test_a_room_at_rest_loses_no_points(box_room, clip):
    answers, _ = run(make_tracker(SETTINGS, box_room.camera, True), clip[0])
    assert all(answer.moving is None for answer in answers)


def test_a_tracker_restored_among_people_goes_on_bit_for_bit(crowded, box_room):
    at = 90
    answers, _ = run(make_tracker(SETTINGS, box_room.camera, True), crowded[0], checkpoint_at=at)
    assert len(answers[at].state["witnesses.uv"])
    check_that_it_goes_on(make_tracker(SETTINGS, box_room.camera, True), crowded[0], answers, at)


@pytest.fixture
def movers(box_room):
    return Movers(Lens(box_room.camera), None, by_motion=True)


def test_a_group_of_points_that_keep_moving_makes_a_region_and_its_rest_ends_it(movers, box_room):
    grey, T = box_room.frame(0, np.eye(4)).image[..., 0], np.eye(4)
    corners = features.detect(grey, 300, np.zeros((0, 2)))
    group = np.linalg.norm(corners - [160, 120], axis=1) < 40
    assert group.sum() >= 6
    still = corners[~group]
    for i in range(90):
        shift = 2 * i if i < 20 else 40  # pixels a frame, then at rest
        image = np.roll(grey, shift, axis=1)
        before = np.roll(grey, 2 * (i - 1) if i < 20 else 40, axis=1)
        strays = corners[group] + [shift, 0] if i == 1 else np.zeros((0, 2))
        movers.watch(LocalMap(), (before, image), (still, strays), T, i / 30)
        if i == 5:
            assert not movers.region.any()  # to fall out of line once says nothing
        if i == 20:
            assert on_image(movers.region)[120, 195:205].all() and not on_image(movers.region)[:, :80].any()
    assert not movers.region.any() and not len(movers.witnesses)


def test_a_lone_point_that_moves_makes_no_region(movers, box_room):
    grey = box_room.frame(0, np.eye(4)).image[..., 0]
    for i in range(20):
        images = [np.roll(grey, 2 * k, axis=1) for k in (max(i - 1, 0), i)]
        strays = np.array([[160.0, 120.0]]) if i == 0 else np.zeros((0, 2))
        movers.watch(LocalMap(), images, (np.zeros((0, 2)), strays), np.eye(4), i / 30)
        assert not movers.region.any()
