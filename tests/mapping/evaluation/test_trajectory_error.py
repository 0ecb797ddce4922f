"""Trajectory errors against closed forms, brute force and an independent implementation."""

from __future__ import annotations

import numpy as np
import pycolmap
import pytest
from scipy.spatial.transform import Rotation

from mapping.evaluation.similarity import Similarity, fit_similarity
from mapping.evaluation.trajectory import absolute_error, angles_deg, associate, relative_error
from streammtl.errors import GeometryError


def wander(count: int, seed: int = 0) -> np.ndarray:
    """A winding path of poses [count,4,4] with 30 frames per metre or so."""
    rng = np.random.default_rng(seed)
    T = np.tile(np.eye(4), (count, 1, 1))
    T[:, :3, 3] = np.cumsum(rng.normal(0, 0.05, (count, 3)), axis=0)
    T[:, :3, :3] = Rotation.from_rotvec(np.cumsum(rng.normal(0, 0.03, (count, 3)), axis=0)).as_matrix()
    return T


SIMILARITY = Similarity(Rotation.from_rotvec([0.4, -1.1, 2.0]).as_matrix(), np.array([3.0, -20.0, 0.5]), 0.37)


def test_a_known_similarity_is_found_exactly():
    truth = wander(50)
    estimate = SIMILARITY.poses(truth)
    error = absolute_error(estimate, truth, with_scale=True)
    assert error.scale == pytest.approx(1 / 0.37)
    assert error.position_m.max < 1e-9 and error.rotation_deg.max < 1e-5
    np.testing.assert_allclose(error.alignment.poses(estimate), truth, atol=1e-9)


def test_a_rigid_alignment_keeps_the_error_of_a_wrong_scale():
    """Scaled by s about its centroid, every point is off by |s - 1| times its distance from the centroid."""
    truth = wander(200)
    estimate = truth.copy()
    estimate[:, :3, 3] *= 1.1
    spread = np.linalg.norm(truth[:, :3, 3] - truth[:, :3, 3].mean(axis=0), axis=1)
    error = absolute_error(estimate, truth, with_scale=False)
    assert error.scale == 1
    assert error.position_m.rmse == pytest.approx(0.1 * np.sqrt((spread**2).mean()), rel=1e-6)
    assert error.position_m.max == pytest.approx(0.1 * spread.max(), rel=1e-6)
    assert absolute_error(estimate, truth, with_scale=True).scale == pytest.approx(1 / 1.1)


def test_noise_of_known_size_gives_that_error():
    truth = wander(20_000)
    estimate = SIMILARITY.poses(truth)
    estimate[:, :3, 3] += np.random.default_rng(1).normal(0, 0.37 * 0.02, (20_000, 3))
    error = absolute_error(estimate, truth, with_scale=True)
    assert error.position_m.rmse == pytest.approx(0.02 * np.sqrt(3), rel=0.02)
    assert error.position_m.median < error.position_m.rmse < error.position_m.max


def test_a_mirrored_path_is_not_matched_by_a_reflection():
    truth = wander(50)
    points = truth[:, :3, 3] * [1, 1, -1]
    fit = fit_similarity(points, truth[:, :3, 3], with_scale=True)
    assert np.linalg.det(fit.R) == pytest.approx(1) and fit.scale > 0


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_the_fit_is_that_of_colmap(noise):
    target = wander(40, seed=3)[:, :3, 3]
    source = SIMILARITY.points(target) + np.random.default_rng(2).normal(0, noise, target.shape)
    ours = fit_similarity(source, target, with_scale=True)
    theirs = pycolmap.estimate_sim3d(source, target)
    assert ours.scale == pytest.approx(theirs.scale, rel=1e-9)
    np.testing.assert_allclose(ours.R, theirs.rotation.matrix(), atol=1e-9)
    np.testing.assert_allclose(ours.t, theirs.translation, atol=1e-8)


@pytest.mark.parametrize("with_scale", [True, False])
def test_no_nearby_motion_fits_better(with_scale):
    rng = np.random.default_rng(4)
    target, source = rng.normal(size=(2, 30, 3))
    best = fit_similarity(source, target, with_scale)
    least = ((best.points(source) - target) ** 2).sum()
    for _ in range(300):
        R = Rotation.from_rotvec(rng.normal(0, 0.05, 3)).as_matrix() @ best.R
        scale = best.scale * np.exp(rng.normal(0, 0.05)) if with_scale else 1.0
        other = Similarity(R, best.t + rng.normal(0, 0.05, 3), scale)
        assert ((other.points(source) - target) ** 2).sum() >= least - 1e-12


@pytest.mark.parametrize("points", [np.zeros((5, 3)), np.outer(np.arange(5.0), [1, 2, 3]), np.eye(3)[:2]])
def test_an_undetermined_alignment_is_refused(points):
    with pytest.raises(GeometryError, match=r"line or in one point|at least 3"):
        fit_similarity(points, points + 1, with_scale=False)


def test_a_planar_path_is_aligned():
    flat = wander(50)
    flat[:, 1, 3] = 0
    error = absolute_error(SIMILARITY.poses(flat), flat, with_scale=True)
    assert error.position_m.max < 1e-9


def test_a_constant_turn_of_every_camera_shows_in_the_rotation_error_alone():
    truth = wander(30)
    estimate = truth.copy()
    estimate[:, :3, :3] = truth[:, :3, :3] @ Rotation.from_rotvec([0, np.deg2rad(7), 0]).as_matrix()
    error = absolute_error(estimate, truth, with_scale=False)
    assert error.position_m.max < 1e-9
    assert (error.rotation_deg.mean, error.rotation_deg.max) == (pytest.approx(7), pytest.approx(7))


@pytest.mark.parametrize("angle_deg", [0.0, 1e-5, 90.0, 179.9999, 180.0])
def test_angles_are_exact_at_both_ends(angle_deg):
    R = Rotation.from_rotvec(np.deg2rad(angle_deg) * np.array([2, -1, 2]) / 3).as_matrix()
    assert angles_deg(R[None])[0] == pytest.approx(angle_deg, abs=1e-6)


def test_steady_drift_is_what_the_relative_error_says():
    """Steps one percent too long at one metre a second: a centimetre per second, and none once the scale is right."""
    times_s = np.arange(90) / 30
    truth = np.tile(np.eye(4), (90, 1, 1))
    truth[:, 0, 3] = times_s
    estimate = truth.copy()
    estimate[:, 0, 3] *= 1.01
    error = relative_error(estimate, truth, times_s, 1.0)
    assert (error.translation_m.mean, error.count) == (pytest.approx(0.01), 60)
    assert relative_error(estimate, truth, times_s, 1.0, scale=1 / 1.01).translation_m.max < 1e-12
    with pytest.raises(GeometryError, match=r"5\.0 s apart"):
        relative_error(estimate, truth, times_s, 5.0)


def test_the_relative_error_does_not_see_a_motion_of_the_world():
    truth, times_s = wander(100), np.arange(100) / 30
    rigid = Similarity(SIMILARITY.R, SIMILARITY.t)
    error = relative_error(rigid.poses(truth), truth, times_s)
    assert error.translation_m.max < 1e-9 and error.rotation_deg.max < 1e-5


def test_the_relative_error_is_that_of_a_plain_loop():
    truth, estimate, times_s = wander(60, 5), wander(60, 6), np.arange(60) / 30
    expected = []
    for i in range(60 - 30):
        true_step = np.linalg.inv(truth[i]) @ truth[i + 30]
        step = np.linalg.inv(estimate[i]) @ estimate[i + 30]
        expected.append(np.linalg.norm((np.linalg.inv(true_step) @ step)[:3, 3]))
    assert relative_error(estimate, truth, times_s).translation_m.rmse == pytest.approx(
        np.sqrt(np.mean(np.square(expected)))
    )


def test_video_frames_match_every_second_pose_once():
    """Poses at 15 per second, video at 30: no pose is used twice, odd frames stay without."""
    video, poses = np.round(np.arange(800) / 30, 6), np.round(np.arange(400) / 15, 6)
    i, j = associate(video, poses, 0.010)
    np.testing.assert_array_equal(i, np.arange(0, 800, 2))
    np.testing.assert_array_equal(j, np.arange(400))
    i, j = associate(video, poses, 0.040)
    assert len(set(j)) == len(j) == 400


def test_association_is_that_of_a_plain_search():
    rng = np.random.default_rng(7)
    times, reference = np.sort(rng.uniform(0, 10, 80)), np.sort(rng.uniform(0, 10, 60))
    expected = []
    for a in range(80):
        b = int(np.abs(reference - times[a]).argmin())
        if abs(reference[b] - times[a]) <= 0.05 and int(np.abs(times - reference[b]).argmin()) == a:
            expected.append((a, b))
    assert list(zip(*associate(times, reference, 0.05), strict=True)) == expected
    assert [len(side) for side in associate(times, np.zeros(0), 1.0)] == [0, 0]
    assert [side.tolist() for side in associate(np.array([1.0]), np.array([1.02]), 0.05)] == [[0], [0]]
