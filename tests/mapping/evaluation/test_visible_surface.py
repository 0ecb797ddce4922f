"""Only what cameras saw of the truth is asked of an estimate."""

import numpy as np

from mapping.evaluation.surface import Triangles, surface_error
from mapping.evaluation.visibility import VisibleSurface
from streammtl.camera import Camera

CAMERA = Camera.pinhole(320, 240, 300, 300, 159.5, 119.5)


def wall(z, half=1.0):
    vertices = np.array([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]], float)
    return vertices, np.array([[0, 1, 2], [0, 2, 3]])


def two_walls():
    near, faces = wall(2.0, 0.3)
    far, _ = wall(4.0, 1.0)
    return Triangles(np.concatenate([near, far]), np.concatenate([faces, faces + 4]).astype(np.int32))


def test_a_point_behind_another_surface_is_not_seen():
    visible = VisibleSurface(two_walls(), np.eye(4)[None], CAMERA)
    points = np.array([[0, 0, 2.0], [0, 0, 4.0], [0.9, 0, 4.0], [0, 0, -1.0], [9.0, 0, 4.0]])
    assert visible(points).tolist() == [True, False, True, False, False]


def test_a_second_camera_sees_what_the_first_cannot():
    beside = np.eye(4)
    beside[0, 3] = 1.5
    visible = VisibleSurface(two_walls(), np.stack([np.eye(4), beside]), CAMERA)
    assert visible(np.array([[0.0, 0, 4.0]])).tolist() == [True]


def test_an_estimate_of_all_that_was_seen_is_complete():
    truth = two_walls()
    vertices, faces = wall(2.0, 0.3)
    hidden = VisibleSurface(truth, np.eye(4)[None], CAMERA)
    corner = np.array([[-1, -1, 4], [1, -1, 4], [1, -0.55, 4], [-1, -0.55, 4]], float)
    estimate = Triangles(np.concatenate([vertices, corner]), np.concatenate([faces, faces + 4]).astype(np.int32))
    everything = surface_error(estimate, truth)
    seen_only = surface_error(estimate, truth, visible=hidden)
    assert seen_only.recall[0.05] > everything.recall[0.05]
    assert seen_only.precision == everything.precision
