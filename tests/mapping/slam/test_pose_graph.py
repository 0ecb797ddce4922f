"""A drifting circle is closed by one relation; scale is free only where lengths are no metres."""

from itertools import pairwise

import numpy as np
import pytest

from mapping.slam.pose_graph import Relation, relax
from mapping.slam.rigid import inverse, moved_pose, rotation_matrix, scale_of, scaled_motion, similarity


def circle(count):
    poses = np.tile(np.eye(4), (count, 1, 1))
    for i, T in enumerate(poses):
        angle = 2 * np.pi * i / count
        T[:3, :3] = rotation_matrix(np.array([0.0, angle, 0.0]))
        T[:3, 3] = [3 * np.sin(angle), 0.0, 3 - 3 * np.cos(angle)]
    return poses


def drifting(truth, turn_deg, growth):
    """The same steps with a constant error in turn and, from step to step, in length."""
    poses, scale = [truth[0]], 1.0
    error = np.eye(4)
    error[:3, :3] = rotation_matrix(np.radians([0.1 * turn_deg, turn_deg, 0.0]))
    for before, after in pairwise(truth):
        step = inverse(before) @ after @ error
        step[:3, 3] *= scale
        poses.append(poses[-1] @ step)
        scale *= growth
    return np.array(poses), scale


def odometry(poses):
    return [Relation(i, i + 1, inverse(poses[i]) @ poses[i + 1]) for i in range(len(poses) - 1)]


def error(poses, truth):
    return np.sqrt(((poses[:, :3, 3] - truth[:, :3, 3]) ** 2).sum(1).mean())


def test_one_loop_takes_the_drift_out_of_a_metric_circle():
    truth = circle(60)
    start, _ = drifting(truth, 0.3, 1.0)
    loop = Relation(0, 59, inverse(truth[0]) @ truth[59])
    found = relax(start, [*odometry(start), loop], [0], metric=True)
    assert np.allclose(scale_of(found), 1.0, atol=1e-4)
    assert np.allclose(found[0], truth[0], atol=1e-5)
    assert error(found, truth) < 0.1 * error(start, truth)
    assert np.abs(found[59] - truth[59]).max() < 0.02


def test_drift_of_scale_is_spread_along_the_loop_where_lengths_are_no_metres():
    truth = circle(60)
    start, scale = drifting(truth, 0.0, 1.005)
    loop = Relation(0, 59, similarity(inverse(truth[0]) @ truth[59], 1 / scale))
    relations = [*odometry(start), loop]
    found = relax(start, relations, [0], metric=False)
    assert scale_of(found)[59] == pytest.approx(1 / scale, rel=0.02)
    assert np.all(np.diff(scale_of(found)) < 1e-4)
    assert error(found, truth) < 0.2 * error(start, truth)
    assert np.allclose(scale_of(relax(start, relations, [0], metric=True)), 1.0)


def test_relations_that_agree_move_nothing():
    truth = circle(30)
    loops = [Relation(i, i + 10, inverse(truth[i]) @ truth[i + 10]) for i in range(0, 20, 4)]
    found = relax(truth, [*odometry(truth), *loops], [0], metric=True)
    assert np.abs(found - truth).max() < 1e-6


def test_the_same_graph_gives_the_same_bits():
    start, _ = drifting(circle(80), 0.3, 1.002)
    relations = [*odometry(start), Relation(0, 79, inverse(circle(80)[0]) @ circle(80)[79])]
    first = relax(start, relations, [0], metric=False)
    assert all(np.array_equal(relax(start, relations, [0], metric=False), first) for _ in range(3))


def test_a_pose_moves_with_the_world_and_stays_rigid():
    T = circle(7)[3]
    S = similarity(scaled_motion(circle(7)[2], 0.7), 1.3)
    moved = moved_pose(S, T)
    assert np.allclose(moved[:3, 3], S[:3, :3] @ T[:3, 3] + S[:3, 3])
    assert np.allclose(moved[:3, :3] @ moved[:3, :3].T, np.eye(3))
    assert np.allclose(moved_pose(np.linalg.inv(S), moved), T)
