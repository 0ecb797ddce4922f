"""Poses from few landmarks: what candidates tell across their epipolar lines, and what they leave open along them."""

import numpy as np
import pytest

from mapping.slam import colmap
from mapping.slam.rigid import inverse, rotation_angle_deg, rotation_matrix
from mapping.slam.scarce_pose import Expected, Points, scarce_pose, turn_between
from tests.mapping.slam.exact_views import CAMERA, LENS, pose

ANYWHERE = Expected(np.zeros(3), 100.0)


@pytest.fixture
def scene():
    """Eight landmarks close together on the left; 120 points, 1.5 to 6 deep, that were seen from the origin alone."""
    rng = np.random.default_rng(0)
    landmarks = rng.uniform([-1.6, -0.3, 2.9], [-1.2, 0.3, 3.1], (8, 3))
    depth = rng.uniform(1.5, 6.0, 120)
    rays = np.concatenate([rng.uniform([-0.5, -0.4], [0.6, 0.4], (120, 2)), np.ones((120, 1))], axis=1)
    return landmarks, rays, depth


def points_of(landmarks, rays):
    return Points(landmarks, rays, np.tile(np.eye(4), (len(rays), 1, 1)), depth=3.0)


def seen_from(T, landmarks, rays, depth, noise_px=0.0):
    uv, _ = LENS.project(np.concatenate([landmarks, rays * depth[:, None]]), T)
    return uv + np.random.default_rng(1).normal(scale=noise_px, size=uv.shape)


def test_a_turn_is_exact_however_far_the_candidates_are(scene):
    landmarks, rays, depth = scene
    truth = pose([0.02, 0.25, -0.05], [0, 0, 0])
    uv = seen_from(truth, landmarks, rays, depth)
    found = scarce_pose(uv, points_of(landmarks, rays), CAMERA, np.eye(4), ANYWHERE, 3.0)
    assert np.allclose(found.T_world_cam, truth, atol=1e-5) and found.inliers.all()


def test_with_candidates_a_pose_is_better_known_than_by_the_landmarks_alone(scene):
    landmarks, rays, depth = scene
    truth = pose([0.02, 0.2, -0.05], [0.15, -0.05, 0.1])
    uv = seen_from(truth, landmarks, rays, depth, noise_px=0.7)
    found = scarce_pose(uv, points_of(landmarks, rays), CAMERA, np.eye(4), ANYWHERE, 3.0)
    alone = colmap.absolute_pose(uv[: len(landmarks)], landmarks, CAMERA, seed=0, prior=truth)
    off, off_alone = (inverse(truth) @ T for T in (found.T_world_cam, alone.T_world_cam))
    assert rotation_angle_deg(off[:3, :3]) < 0.3 < rotation_angle_deg(off_alone[:3, :3])
    assert np.linalg.norm(off[:3, 3]) < 0.5 * np.linalg.norm(off_alone[:3, 3])


def test_a_candidate_may_be_elsewhere_along_its_line_but_not_beside_it(scene):
    landmarks, rays, depth = scene
    truth = pose([0, 0, 0], [0.3, 0, 0])  # epipolar lines are rows of the image
    uv = seen_from(truth, landmarks, rays, depth)
    along, beside = len(landmarks), len(landmarks) + 1
    uv[along, 0] += 10.0
    uv[beside, 1] += 10.0
    found = scarce_pose(uv, points_of(landmarks, rays), CAMERA, truth, ANYWHERE, 3.0)
    assert found.inliers[along] and not found.inliers[beside]


def test_where_nothing_tells_how_far_it_went_the_camera_is_where_its_motion_has_it(scene):
    _, rays, depth = scene
    truth = pose([0, 0.1, 0], [0.2, 0, 0])
    uv = seen_from(truth, np.zeros((0, 3)), rays, depth)
    points = points_of(np.zeros((0, 3)), rays)
    for length in (0.1, 0.2):
        expected = Expected(np.array([length, 0, 0]), 0.002)
        found = scarce_pose(uv, points, CAMERA, np.eye(4), expected, 3.0)
        assert np.linalg.norm(found.T_world_cam[:3, 3] - expected.centre) < 0.006


def test_the_turn_between_rays_is_found_among_a_third_that_went_elsewhere(scene):
    rays = scene[1]
    R = rotation_matrix(np.array([0.1, -0.3, 0.05]))
    seen = rays @ R  # R^T r: the same directions in the camera that turned
    seen[::3] += np.random.default_rng(2).uniform(0.1, 0.3, seen[::3].shape)
    assert rotation_angle_deg(R.T @ turn_between(rays, seen)) < 1e-4
