"""The offline mode: keyframes, pairs, structure from motion, frames in between, and the model it hands on."""

from __future__ import annotations

import numpy as np
import pytest

from mapping.evaluation.trajectory import absolute_error
from mapping.slam.lens import Lens
from mapping.slam.quality import choose_keyframes, solve_offline
from mapping.slam.quality_between import pose_frames_between
from mapping.slam.quality_model import QualityModel, SeenPoints
from mapping.slam.quality_pairs import image_pairs, loop_pairs, similarities
from mapping.slam.rigid import rotation_angle_deg
from recordings.pose_files import read_poses
from streammtl.camera import Camera
from streammtl.errors import GeometryError
from streammtl.views import Frame

KEYFRAME_EVERY = 6


@pytest.fixture(scope="module")
def known(clip, box_room):
    """The true model of the clip with every sixth frame a keyframe that sees a grid of points."""
    frames, poses = clip
    frames = frames[6:55]
    model = QualityModel(box_room.camera, np.zeros((0, 3)))
    u, v = (grid.ravel() for grid in np.meshgrid(np.arange(12, 310, 14), np.arange(12, 230, 14)))
    for frame in frames[::KEYFRAME_EVERY]:
        T = poses[frame.index]
        z = frame.depth_m[v, u].astype(np.float64)
        xyz = (Lens(box_room.camera).rays(np.stack([u, v], axis=1).astype(float)) * z[:, None]) @ T[:3, :3].T + T[:3, 3]
        ids = np.arange(len(u)) + len(model.points_xyz)
        model.points_xyz = np.concatenate([model.points_xyz, xyz])
        model.T_world_cam[frame.index] = T
        model.seen[frame.index] = SeenPoints(np.stack([u, v], axis=1).astype(float), ids)
    return model, frames, poses


def copied(model):
    return QualityModel(model.camera, model.points_xyz, dict(model.T_world_cam), dict(model.seen))


def test_frames_between_keyframes_get_their_poses(known):
    model, frames, poses = copied(known[0]), *known[1:]
    pose_frames_between(model, ((frame.index, frame.image) for frame in frames), seed=0)
    assert sorted(model.T_world_cam) == [frame.index for frame in frames]
    for index, T in model.T_world_cam.items():
        assert np.linalg.norm(T[:3, 3] - poses[index][:3, 3]) < 0.01
        assert rotation_angle_deg(T[:3, :3].T @ poses[index][:3, :3]) < 0.3
        assert len(model.seen[index].ids) == len(set(model.seen[index].ids.tolist())) >= 15


def test_a_frame_that_shows_nothing_known_gets_no_pose_and_those_after_it_do(known):
    model, frames, _ = copied(known[0]), *known[1:]
    black = frames[9].index
    images = ((f.index, np.zeros_like(f.image) if f.index == black else f.image) for f in frames)
    pose_frames_between(model, images, seed=0)
    assert black not in model.T_world_cam and black + 1 in model.T_world_cam


def test_the_written_model_is_read_as_the_same_poses_points_and_camera(known, tmp_path):
    model, frames, poses = known
    model.write(tmp_path, {index: f"{index:06d}.jpg" for index in model.T_world_cam})
    table = read_poses(tmp_path)
    indices = [frame.index for frame in frames[::KEYFRAME_EVERY]]
    assert list(table.names) == [f"{index:06d}" for index in indices] and not table.metric
    np.testing.assert_allclose(table.T_world_cam, [poses[index] for index in indices], atol=1e-9)
    assert (table.camera.params, table.camera.width) == (model.camera.params, model.camera.width)
    np.testing.assert_allclose(table.points_xyz[1], model.points_xyz[model.seen[indices[1]].ids])


def test_the_offline_mode_finds_the_path_and_says_which_mapper_did(clip):
    frames, poses = clip
    chosen = [Frame(f.index, f.timestamp_s, f.image) for f in frames[12::6]]
    model = solve_offline(lambda: iter(chosen), frames[0].camera, refine=False)
    assert len(model.T_world_cam) == len(chosen) == model.registered and model.method == "incremental mapping"
    estimate = np.array([model.T_world_cam[f.index] for f in chosen])
    error = absolute_error(estimate, np.array([poses[f.index] for f in chosen]), with_scale=True)
    assert error.position_m.rmse < 0.01 and error.rotation_deg.rmse < 0.3


def test_images_without_anything_in_common_are_refused():
    generator = np.random.default_rng(2)
    noise = [Frame(k, k / 30, generator.integers(0, 255, (96, 128, 3), dtype=np.uint8)) for k in range(4)]
    camera = Camera.pinhole(128, 96, 110, 110, 63.5, 47.5)
    with pytest.raises(GeometryError, match="without --quality"):
        solve_offline(lambda: iter(noise), camera, refine=False)
    with pytest.raises(GeometryError, match="at least 3"):
        solve_offline(lambda: iter(noise[:2]), camera, refine=False)


def test_few_frames_are_all_keyframes_and_many_are_a_step_of_motion_apart(clip):
    images = [(frame.index, frame.image) for frame in clip[0]]
    assert choose_keyframes(images[:40]) == list(range(40))
    chosen = choose_keyframes(images)
    assert 3 <= len(chosen) < 60 and chosen[1] > 4  # the camera rests at first
    assert len(choose_keyframes(images, most=6)) <= 6


def test_places_seen_again_are_paired_beside_neighbours_in_time():
    rng = np.random.default_rng(4)
    places = [rng.integers(0, 255, (60, 128), dtype=np.uint8) for _ in range(50)]
    order = [*range(50), *range(10, 35)]  # comes back to the places 10 to 34
    similarity = similarities(len(order), lambda i: places[order[i]])
    pairs = loop_pairs(similarity)
    assert {(10 + k, 50 + k) for k in range(25)} <= pairs
    assert all(0 <= a < b and b - a > 8 for a, b in pairs)
    everything = image_pairs(len(order), lambda i: places[order[i]])
    assert pairs <= set(everything) and (0, 1) in everything and (0, 32) in everything
    assert image_pairs(40, None) is None
