"""A known distance between two image points becomes the scale of the poses."""

import numpy as np
import pytest
from pydantic import ValidationError

from mapping.slam.rigid import inverse, rotation_matrix, similarity, transform
from mapping.slam.scale import ScaleAligner
from mapping.slam.scale_distance import point_at
from mapping.slam.scale_settings import ScaleSettings
from mapping.slam.tracked import Correction, SparsePoints, TrackedFrame, TrackStatus
from streammtl.camera import Camera
from streammtl.errors import ScaleError
from streammtl.views import ScaleStatus

CAMERA = Camera.pinhole(640, 480, 520.0, 515.0, 322.0, 238.0)
UNIT_M = 2.5  # metres in a unit of the tracker


def pose(x):
    T = np.eye(4)
    T[:3, :3] = rotation_matrix(np.array([0.05, 0.2 * x, -0.03]))
    T[:3, 3] = x, 0.1, 0.0
    return T


def on_the_wall(uv, T_world_cam):
    """Points f64 [N,3] of a slanted wall, in the unit of the tracker, that a camera sees at pixels uv [N,2]."""
    rays = np.hstack([(uv - [CAMERA.cx, CAMERA.cy]) / [CAMERA.fx, CAMERA.fy], np.ones((len(uv), 1))])
    rays, centre = rays @ T_world_cam[:3, :3].T, T_world_cam[:3, 3]
    normal, distance = np.array([0.3, 0.1, 1.0]), 2.0
    return centre + rays * ((distance - centre @ normal) / (rays @ normal))[:, None]


def frame(index, rng, noise=0.0, points=250, **more):
    T, uv = pose(0.1 * index), rng.uniform((0, 0), (640, 480), (points, 2))
    xyz = transform(inverse(T), on_the_wall(uv, T)) * np.exp(rng.normal(0, noise, (points, 1)))
    seen = SparsePoints(uv.astype(np.float32), transform(T, xyz))
    status, unknown = TrackStatus.TRACKED, ScaleStatus.UP_TO_SCALE
    return TrackedFrame(index, index / 30, status, unknown, T_world_cam=T, reference=index, points=seen, **more)


def stated(frames, pixels, **more):
    """Settings that tell the true distance, in metres, of what the pixels show."""
    a, b = (on_the_wall(np.array([uv]), pose(0.1 * index))[0] for index, uv in zip(frames, pixels, strict=True))
    length = UNIT_M * float(np.linalg.norm(a - b))
    return ScaleSettings(distance_m=length, distance_frames=frames, distance_pixels=pixels, **more)


def aligned(settings, frames):
    aligner = ScaleAligner(settings, ScaleStatus.UP_TO_SCALE, "depth")
    for tracked in frames:
        aligner.watch([tracked], None)
    return aligner.estimates


@pytest.mark.parametrize(("frames", "pixels"), [((2, 2), ((90, 200), (500, 260))), ((2, 5), ((90, 200), (400, 100)))])
def test_two_image_points_a_known_distance_apart_are_the_scale(frames, pixels):
    rng = np.random.default_rng(0)
    estimate = aligned(stated(frames, pixels), [frame(i, rng) for i in range(8)])[0]
    assert estimate.factor == pytest.approx(UNIT_M, rel=1e-4)
    assert estimate.status is ScaleStatus.METRIC and estimate.interval == pytest.approx((2.45, 2.55), rel=1e-3)
    assert f"pixel (90, 200) of frame 2 and pixel ({pixels[1][0]}, {pixels[1][1]})" in estimate.method


def test_the_interval_widens_with_the_noise_of_the_points_and_holds_the_truth():
    rng = np.random.default_rng(1)
    settings = stated((0, 0), ((90, 200), (500, 260)), stated_error=0.0, max_interval=0.9)
    found = [aligned(settings, [frame(0, rng, noise=0.01)])[0] for _ in range(150)]
    assert np.mean([low < UNIT_M < high for low, high in (e.interval for e in found)]) > 0.93
    assert 0.001 < np.std([e.factor for e in found]) / UNIT_M < 0.01


def test_an_object_before_the_wall_does_not_pull_the_point():
    rng = np.random.default_rng(2)
    seen = frame(0, rng)
    in_camera = transform(inverse(seen.T_world_cam), seen.points.xyz)
    nearest = np.argsort(np.linalg.norm(seen.points.uv - [300, 200], axis=1))[[2, 7]]
    in_camera[nearest] *= 0.5
    points = SparsePoints(seen.points.uv, transform(seen.T_world_cam, in_camera))
    point, sigma = point_at((300, 200), points, seen.T_world_cam)
    truth = on_the_wall(np.array([[300.0, 200.0]]), seen.T_world_cam)
    assert transform(seen.T_world_cam, point[None]) == pytest.approx(truth, abs=1e-3) and sigma < 1e-3


def test_revised_and_corrected_poses_take_the_points_along():
    rng = np.random.default_rng(3)
    frames = [frame(i, rng) for i in range(4)]
    frames[3].correction = Correction(0, 0, np.array([0]), similarity(np.eye(4), 0.5)[None])
    frames[3].T_world_cam[:3, 3] *= 0.5
    frames[3].points.xyz *= 0.5
    settings = stated((1, 3), ((90, 200), (400, 100)))
    assert aligned(settings, frames)[0].factor == pytest.approx(2 * UNIT_M, rel=1e-4)
    shifted = frames[1].T_world_cam.copy()
    shifted[:3, 3] += 5.0
    frames[2].revised = {1: shifted}
    assert aligned(settings, frames)[0].factor < UNIT_M


@pytest.mark.parametrize(("noise", "points", "telling"), [(0.3, 250, "textured"), (0.0, 4, "points near the pixels")])
def test_points_that_cannot_be_measured_are_refused(noise, points, telling):
    rng = np.random.default_rng(4)
    aligner = ScaleAligner(stated((1, 1), ((90, 200), (120, 210))), ScaleStatus.UP_TO_SCALE, "depth")
    with pytest.raises(ScaleError, match=telling):
        for i in range(3):
            aligner.watch([frame(i, rng, noise, points)], None)
        aligner.give_up(0)


@pytest.mark.parametrize(
    "half",
    [
        {"distance_m": 2.0, "distance_pixels": ((5, 5), (9, 9))},
        {"distance_m": 2.0, "distance_frames": (3, 3), "distance_pixels": ((5, 5), (5, 5))},
        {"distance_pixels": ((5, 5), (9, 9))},
    ],
)
def test_half_a_statement_about_pixels_is_refused(half):
    with pytest.raises(ValidationError):
        ScaleSettings(**half)
