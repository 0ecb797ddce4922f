import numpy as np
import pytest

from mapping.slam import colmap
from mapping.slam.colmap_adjustment import Observations, bundle_adjust
from mapping.slam.colmap_conversions import to_colmap
from mapping.slam.rigid import inverse, rotation_angle_deg
from streammtl.camera import Camera
from tests.mapping.slam.exact_views import CAMERA, LENS, pose


@pytest.fixture
def points():
    return np.random.default_rng(0).uniform([-2, -1.5, 2], [2, 1.5, 6], (300, 3))


@pytest.fixture
def poses():
    return np.stack([pose([0, 0.03 * k, 0.01 * k], [0.1 * k, 0.02 * np.sin(k), 0.01 * k]) for k in range(6)])


def observe(points, poses, noise_px, with_depth=False):
    rng = np.random.default_rng(1)
    uv, depth = zip(*(LENS.project(points, T) for T in poses), strict=True)
    view, point = np.indices((len(poses), len(points))).reshape(2, -1)
    depth = np.concatenate(depth)
    uv = np.concatenate(uv) + rng.normal(scale=noise_px, size=(len(depth), 2))
    return Observations(view, point, uv, depth if with_depth else np.zeros(len(depth)))


def position_error(T_a, T_b):
    return np.linalg.norm(T_a[..., :3, 3] - T_b[..., :3, 3], axis=-1).max()


def test_colmap_sees_pixel_centres_half_a_pixel_further():
    camera = to_colmap(CAMERA)
    assert camera.params.tolist() == [500.0, 505.0, 317.5, 242.5]
    simple = to_colmap(Camera("SIMPLE_RADIAL", 640, 480, (500.0, 317.0, 242.0, 0.1)))
    assert simple.params.tolist() == [500.0, 317.5, 242.5, 0.1]


def test_exact_pixels_give_the_exact_pose(points):
    truth = pose([0.1, -0.3, 0.2], [0.3, -0.2, 0.4])
    uv, _ = LENS.project(points, truth)
    found = colmap.absolute_pose(uv, points, CAMERA, seed=0)
    assert np.allclose(found.T_world_cam, truth, atol=1e-6)
    assert found.inliers.all()


def test_a_pose_is_found_among_outliers_with_and_without_a_prior(points):
    truth = pose([0.1, -0.3, 0.2], [0.3, -0.2, 0.4])
    uv, _ = LENS.project(points, truth)
    rng = np.random.default_rng(2)
    wrong = rng.random(len(uv)) < 0.25
    uv[wrong] += rng.uniform(20, 80, (wrong.sum(), 2))
    for prior in (None, truth @ pose([0.01, 0, 0], [0.02, 0, 0.01])):
        found = colmap.absolute_pose(uv, points, CAMERA, seed=0, prior=prior)
        assert position_error(found.T_world_cam, truth) < 2e-3
        assert np.array_equal(found.inliers, ~wrong)


def test_a_bad_prior_does_not_keep_the_pose_from_being_found(points):
    truth = pose([0.1, -0.3, 0.2], [0.3, -0.2, 0.4])
    uv, _ = LENS.project(points, truth)
    found = colmap.absolute_pose(uv, points, CAMERA, seed=0, prior=pose([0, 2.0, 0], [3, 0, 0]))
    assert np.allclose(found.T_world_cam, truth, atol=1e-5)


def test_too_few_points_give_no_pose():
    assert colmap.absolute_pose(np.zeros((3, 2)), np.ones((3, 3)), CAMERA, seed=0) is None


def test_two_views_give_rotation_and_direction(points):
    truth = pose([0.02, -0.08, 0.01], [0.3, 0.05, -0.02])
    uv0, _ = LENS.project(points, np.eye(4))
    uv1, _ = LENS.project(points, truth)
    uv1[:40] += 30.0
    found = colmap.two_view(uv0, uv1, CAMERA, seed=0)
    assert found.calibrated and found.angle_deg > 2
    assert rotation_angle_deg(found.T_cam0_cam1[:3, :3].T @ truth[:3, :3]) < 0.05
    direction = truth[:3, 3] / np.linalg.norm(truth[:3, 3])
    assert np.allclose(found.T_cam0_cam1[:3, 3], direction, atol=0.01)
    assert not found.inliers[:40].any() and found.inliers[40:].mean() > 0.95


def test_a_turn_on_the_spot_is_not_taken_for_two_views(points):
    uv0, _ = LENS.project(points, np.eye(4))
    uv1, _ = LENS.project(points, pose([0.02, -0.15, 0.01], [0, 0, 0]))
    uv1 += np.random.default_rng(3).normal(scale=0.2, size=uv1.shape)
    found = colmap.two_view(uv0, uv1, CAMERA, seed=0)
    assert found is None or not found.calibrated or found.angle_deg < 1.0


def test_a_point_is_where_its_rays_meet(points, poses):
    seen = [(np.array([0, 3, 5]), np.stack([LENS.project(p[None], poses[k])[0][0] for k in (0, 3, 5)])) for p in points]
    found = colmap.triangulate(seen, poses, CAMERA, seed=0, min_angle_deg=1.0)
    assert np.allclose(found, points, atol=1e-5)


def test_rays_that_do_not_meet_or_hardly_open_give_no_point(poses):
    point = np.array([0.1, 0.2, 4.0])
    uv = np.stack([LENS.project(point[None], T)[0][0] for T in poses])
    nearly_parallel = (np.array([0, 1]), uv[[0, 1]])
    apart = (np.array([0, 5]), uv[[0, 5]] + [[0, 0], [0, 40]])
    once = (np.array([2]), uv[[2]])
    found = colmap.triangulate([nearly_parallel, apart, once], poses, CAMERA, seed=0, min_angle_deg=3.0)
    assert np.isnan(found).all()


def test_bundle_adjustment_recovers_poses_and_points(points, poses):
    rng = np.random.default_rng(4)
    start = poses.copy()
    start[2:, :3, 3] += rng.normal(scale=0.02, size=(4, 3))
    fixed = np.array([True, True, False, False, False, False])
    noisy = points + rng.normal(scale=0.05, size=points.shape)
    adjusted, xyz = bundle_adjust(start, noisy, observe(points, poses, 0.0), CAMERA, fixed, max_iterations=50)
    assert position_error(adjusted, poses) < 1e-4
    assert np.abs(xyz - points).max() < 1e-3
    assert np.array_equal(adjusted[fixed], poses[fixed])


def test_bundle_adjustment_gives_the_same_bits_every_time(points, poses):
    seen = observe(points, poses, 0.3)
    fixed = np.arange(6) < 2
    first = bundle_adjust(poses, points, seen, CAMERA, fixed)
    second = bundle_adjust(poses, points, seen, CAMERA, fixed)
    assert np.array_equal(first[0], second[0]) and np.array_equal(first[1], second[1])


def test_measured_depth_gives_bundle_adjustment_its_scale(points, poses):
    centre = poses[0, :3, 3]
    shrunk = poses.copy()
    shrunk[:, :3, 3] = centre + 0.9 * (poses[:, :3, 3] - centre)
    fixed = np.arange(6) < 1
    start = centre + 0.9 * (points - centre)
    without = bundle_adjust(shrunk, start, observe(points, poses, 0.0), CAMERA, fixed, 50)[0]
    with_depth = bundle_adjust(shrunk, start, observe(points, poses, 0.0, True), CAMERA, fixed, 50)[0]
    length = np.linalg.norm(poses[5, :3, 3] - centre)
    assert np.linalg.norm(without[5, :3, 3] - centre) / length == pytest.approx(0.9, abs=0.01)
    assert np.linalg.norm(with_depth[5, :3, 3] - centre) / length == pytest.approx(1.0, abs=0.001)


def test_reprojection_error_is_measured_from_integer_pixel_centres():
    uv = np.array([[317.0, 242.0], [318.0, 242.0], [317.0, 242.0]])
    xyz = np.array([[0, 0, 2.0], [0, 0, 2.0], [0, 0, -2.0]])
    assert colmap.reprojection_error(uv, xyz, CAMERA, np.eye(4)).tolist() == [0.0, 1.0, np.inf]
    moved = pose([0, 0, 0], [0.02, 0, 0])
    assert colmap.reprojection_error(uv[:1], xyz[:1], CAMERA, moved)[0] == pytest.approx(500.0 * 0.02 / 2.0)
    assert np.allclose(inverse(moved)[:3, 3], [-0.02, 0, 0])
