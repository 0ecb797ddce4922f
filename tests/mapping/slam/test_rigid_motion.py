import numpy as np
import pytest

from mapping.slam.motion import Motion
from mapping.slam.pose_refinement import refine
from mapping.slam.rigid import (
    aligning_rotation,
    inverse,
    rotation_angle_deg,
    rotation_matrix,
    rotation_vector,
    scaled_motion,
    transform,
)
from streammtl.camera import Camera


def some_pose(seed):
    rng = np.random.default_rng(seed)
    T = np.eye(4)
    T[:3, :3] = rotation_matrix(rng.normal(size=3))
    T[:3, 3] = rng.normal(size=3)
    return T


@pytest.mark.parametrize("vector", [[0.3, -0.2, 0.9], [1e-12, 0, 0], [0, 3.1, 0], [np.pi, 0, 0], [0, 0, -np.pi + 1e-7]])
def test_rotation_vectors_survive_the_round_trip(vector):
    R = rotation_matrix(np.array(vector, float))
    assert np.allclose(R @ R.T, np.eye(3)) and np.linalg.det(R) == pytest.approx(1)
    assert np.allclose(rotation_matrix(rotation_vector(R)), R, atol=1e-9)


def test_a_quarter_turn_about_z_takes_x_to_y():
    R = rotation_matrix(np.array([0, 0, np.pi / 2]))
    assert np.allclose(R @ [1, 0, 0], [0, 1, 0])
    assert rotation_angle_deg(R) == pytest.approx(90)


def test_the_inverse_undoes_stacks_of_transforms():
    T = np.stack([some_pose(1), some_pose(2)])
    assert np.allclose(inverse(T) @ T, np.eye(4))
    points = np.random.default_rng(0).normal(size=(5, 3))
    assert np.allclose(transform(inverse(T[0]), transform(T[0], points)), points)


def test_half_a_motion_turns_half_as_far():
    T = some_pose(3)
    half = scaled_motion(T, 0.5)
    assert np.allclose((half @ half)[:3, :3], T[:3, :3])
    assert np.allclose(half[:3, 3], T[:3, 3] / 2)


def test_constant_velocity_is_stretched_to_the_time_that_passes():
    motion = Motion()
    step = np.eye(4)
    step[0, 3] = 0.1
    motion.update(np.eye(4), 0.0)
    motion.update(step, 0.1)
    assert np.allclose(motion.predict(0.2)[:3, 3], [0.2, 0, 0])
    assert np.allclose(motion.predict(0.3)[:3, 3], [0.3, 0, 0])
    assert np.allclose(motion.predict(9.0)[:3, 3], [0.4, 0, 0])  # not further than three steps ahead


def test_a_correction_by_bundle_adjustment_is_not_taken_for_motion():
    motion = Motion()
    step = np.eye(4)
    step[0, 3] = 0.1
    motion.update(np.eye(4), 0.0)
    motion.update(step, 0.1)
    shifted = step.copy()
    shifted[1, 3] = 5.0
    motion.correct(shifted, 0.1)
    assert np.allclose(motion.predict(0.2)[:3, 3], [0.2, 5.0, 0])


def test_a_refined_pose_is_a_rotation_whatever_rounding_its_guess_had_gathered():
    camera = Camera.pinhole(640, 480, 500.0, 500.0, 320.0, 240.0)
    xyz = np.random.default_rng(0).uniform([-1, -1, 3], [1, 1, 5], (30, 3))
    guess = np.eye(4)
    guess[0, 0] += 1e-5
    R = refine(xyz[:, :2] / xyz[:, 2:] * 500 + [320, 240], xyz, camera, guess)[:3, :3]
    np.testing.assert_allclose(R.T @ R, np.eye(3), atol=1e-14)


def test_directions_are_aligned_by_the_rotation_that_turned_them():
    R = rotation_matrix(np.array([0.3, -1.0, 0.4]))
    before = np.random.default_rng(0).normal(size=(20, 3))
    assert np.allclose(aligning_rotation(before, before @ R.T), R)
    mirrored = before * [1.0, 1.0, -1.0]
    assert np.linalg.det(aligning_rotation(before, mirrored)) == pytest.approx(1.0)
