from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from recordings.trajectory_file import nearest, read_tum


def test_poses_are_read_as_camera_to_world_matrices(tmp_path):
    rotations = Rotation.random(20, random_state=4)
    positions = np.random.default_rng(4).normal(size=(20, 3))
    rows = np.column_stack([np.arange(20) * 0.1, positions, rotations.as_quat()])
    np.savetxt(tmp_path / "t.tum", rows[::-1], fmt="%.9f", header="timestamp tx ty tz qx qy qz qw")
    timestamps_s, T_world_cam = read_tum(tmp_path / "t.tum")
    np.testing.assert_allclose(timestamps_s, rows[:, 0])
    np.testing.assert_allclose(T_world_cam[:, :3, :3], rotations.as_matrix(), atol=1e-8)
    np.testing.assert_allclose(T_world_cam[:, :3, 3], positions, atol=1e-8)
    np.testing.assert_array_equal(T_world_cam[:, 3], np.tile([0, 0, 0, 1], (20, 1)))


def test_quaternions_with_few_digits_become_exact_rotations(tmp_path):
    (tmp_path / "t.tum").write_text("0 0 0 0 0.1 0.7 -0.7 0.1\n")
    R = read_tum(tmp_path / "t.tum")[1][0, :3, :3]
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-14)


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=30, unique=True),
    st.lists(st.integers(-100, 1100), min_size=1, max_size=10),
    st.integers(0, 200),
)
def test_nearest_agrees_with_looking_at_all(times, wanted, tolerance):
    times = np.sort(np.array(times, dtype=float))
    found = nearest(times, np.array(wanted, dtype=float), tolerance)
    for query, index in zip(wanted, found, strict=True):
        distance = np.abs(times - query).min()
        assert (index == -1) == (distance > tolerance)
        assert index == -1 or abs(times[index] - query) == distance


def test_nearest_of_nothing_is_nothing():
    assert nearest(np.array([]), np.array([1.0, 2.0]), 10).tolist() == [-1, -1]
