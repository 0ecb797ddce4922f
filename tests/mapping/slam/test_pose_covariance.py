"""How well a pose is known: the covariance that is told is the scatter of poses under pixel noise."""

import numpy as np
import pytest

from mapping.slam.pose_refinement import pose_covariance, refine
from mapping.slam.rigid import inverse, rotation_matrix, rotation_vector, transform
from mapping.slam.tracked import pose_confidence
from streammtl.camera import Camera

CAMERA = Camera.pinhole(640, 480, 520.0, 515.0, 322.0, 238.0)
DRAWS = 400


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def pose():
    T = np.eye(4)
    T[:3, :3] = rotation_matrix(np.array([0.3, -0.5, 0.2]))
    T[:3, 3] = 1.0, -2.0, 0.5
    return T


def seen_points(rng, count):
    """Pixels of points between 1 and 4 m from the camera, and the points in the world."""
    uv, depth = rng.uniform((20, 20), (620, 460), (count, 2)), rng.uniform(1, 4, (count, 1))
    in_camera = np.hstack([(uv - [CAMERA.cx, CAMERA.cy]) / [CAMERA.fx, CAMERA.fy], np.ones((count, 1))]) * depth
    return uv, transform(pose(), in_camera)


def error_of(T_world_cam):
    """Turn and shift [6] between the camera's true axes and the ones found."""
    off = inverse(T_world_cam) @ pose()
    return np.concatenate([rotation_vector(off[:3, :3]), off[:3, 3]])


@pytest.mark.parametrize(("noise_px", "outliers"), [(0.3, 0.0), (0.8, 0.0), (0.5, 0.1)])
def test_poses_under_pixel_noise_scatter_as_the_covariance_says(rng, noise_px, outliers):
    uv, xyz = seen_points(rng, 80)
    errors, told = [], []
    for _ in range(DRAWS):
        noisy = uv + rng.normal(0, noise_px, uv.shape)
        wrong = rng.random(len(uv)) < outliers
        noisy[wrong] += rng.uniform(10, 30, (wrong.sum(), 2))
        found = refine(noisy, xyz, CAMERA, pose())
        errors.append(error_of(found))
        told.append(pose_covariance(noisy, xyz, CAMERA, found))
    errors, told = np.array(errors), np.array(told)
    # e^T C^-1 e is chi-squared with 6 degrees of freedom; its mean over the draws has a standard error of 0.17.
    surprise = np.einsum("ni,nij,nj->n", errors, np.linalg.inv(told), errors)
    assert np.mean(surprise) == pytest.approx(6.0, abs=0.9)
    # Each standard deviation of a sample of 400 is known to 3.5 %.
    assert np.sqrt(np.diag(np.cov(errors.T))) == pytest.approx(np.sqrt(np.diag(told.mean(axis=0))), rel=0.13)


def test_four_times_the_points_halve_the_uncertainty(rng):
    spread = []
    for count in (100, 400):
        uv, xyz = seen_points(rng, count)
        noisy = uv + rng.normal(0, 0.5, uv.shape)
        spread.append(
            np.sqrt(np.trace(pose_covariance(noisy, xyz, CAMERA, refine(noisy, xyz, CAMERA, pose()))[3:, 3:]))
        )
    assert spread[0] / spread[1] == pytest.approx(2.0, rel=0.25)


def test_points_that_do_not_fix_a_pose_give_no_covariance(rng):
    uv, xyz = seen_points(rng, 30)
    assert pose_covariance(uv[:3], xyz[:3], CAMERA, pose()) is None
    on_a_line = xyz[0] + rng.uniform(0, 1, (30, 1)) * (xyz[1] - xyz[0])  # the camera may turn about it
    assert pose_covariance(uv, on_a_line, CAMERA, pose()) is None


def test_confidence_is_the_share_of_errors_below_one_percent_of_the_depth(rng):
    for sigma in (0.004, 0.01, 0.04):
        covariance = np.diag([1e-6] * 3 + [sigma**2] * 3)
        share = np.mean(np.linalg.norm(rng.normal(0, sigma, (200_000, 3)), axis=1) < 0.01 * 2.0)
        assert pose_confidence(covariance, depth=2.0) == pytest.approx(share, abs=0.005)
    assert pose_confidence(np.zeros((6, 6)), depth=2.0) == 1.0
    lopsided = np.diag([1e-6] * 3 + [1e-8, 1e-8, 0.04**2])
    assert pose_confidence(lopsided, depth=2.0) == pytest.approx(pose_confidence(covariance, depth=2.0))
