from __future__ import annotations

import numpy as np
import pytest

from mapping.slam.given_conventions import agreement, matched_pairs

OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


@pytest.fixture(scope="module")
def pairs(clip):
    frames, poses = clip
    return matched_pairs(((frame.index, frame.image) for frame in frames), np.array(poses))


def test_pairs_of_frames_have_turned_and_match(pairs, clip):
    assert len(pairs) >= 2
    assert all(pair.first < pair.second and len(pair.uv_first) == len(pair.uv_second) >= 40 for pair in pairs)


def test_the_right_reading_of_poses_stands_out(pairs, clip, box_room):
    T = np.array(clip[1])
    K, width = box_room.camera.K, box_room.camera.width
    right = agreement(pairs, T, K, width)
    others = [agreement(pairs, wrong, K, width) for wrong in (np.linalg.inv(T), T @ OPENGL, np.linalg.inv(T @ OPENGL))]
    assert right > 0.9 and max(others) < 0.5 * right


def test_the_world_and_the_unit_do_not_matter(pairs, clip, box_room):
    T = np.array(clip[1])
    moved = np.linalg.inv(T[17]) @ T
    moved[:, :3, 3] *= 1000
    K, width = box_room.camera.K, box_room.camera.width
    assert agreement(pairs, moved, K, width) == pytest.approx(agreement(pairs, T, K, width), abs=1e-6)


def test_images_without_texture_give_no_pairs(clip):
    poses = np.array(clip[1])
    assert matched_pairs(((k, np.full((48, 64, 3), 90, np.uint8)) for k in range(len(poses))), poses) == []
