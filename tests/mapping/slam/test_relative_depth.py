"""Relative depth is brought to the unit of the poses by sparse points, or refused."""

import numpy as np
import pytest

from mapping.slam.relative_depth import DepthFits, fit_depth_line
from mapping.slam.view_selection import View, ViewTuple
from streammtl.camera import Camera
from streammtl.errors import ScaleError
from streammtl.views import ScaleStatus

SIZE = (48, 64)
CAMERA = Camera.pinhole(128, 96, 120, 120, 63.5, 47.5)  # twice the size of the depth
SURE = np.ones(SIZE, np.float32)


def scene(rng, points=200, scale=2.5, shift=0.8, outliers=0.0, noise=0.0):
    """Relative depth [48,64] of a smooth scene, and a keyframe with points of depth scale * relative + shift."""
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    relative = (0.5 + 0.3 * np.sin(u / 20) + 0.2 * v / SIZE[0]).astype(np.float32)
    column, row = rng.integers(0, 64, points), rng.integers(0, 48, points)
    z = (scale * relative[row, column] + shift) * np.exp(noise * rng.normal(size=points))
    wrong = rng.random(points) < outliers
    z[wrong] *= rng.uniform(1.5, 4, wrong.sum())
    uv = np.stack((2 * column + 0.5, 2 * row + 0.5), 1).astype(np.float32)
    reference = View(0, 0.0, np.zeros((96, 128, 3), np.uint8), CAMERA, np.eye(4))
    return relative, ViewTuple(reference, [], 0, ScaleStatus.UP_TO_SCALE, uv, z)


def test_the_line_is_exact_without_noise_and_robust_to_a_third_of_outliers():
    for outliers, exact in ((0.0, 1e-4), (0.35, 1e-2)):
        relative, views = scene(np.random.default_rng(1), outliers=outliers)
        line = fit_depth_line(relative, SURE, views)
        assert line.scale == pytest.approx(2.5, rel=exact) and line.shift == pytest.approx(0.8, rel=exact)
        depth, confidence = line.depth(relative, SURE)
        np.testing.assert_allclose(depth, 2.5 * relative + 0.8, rtol=1e-2)
        assert (confidence == 1).all()


def test_noise_of_a_few_percent_moves_the_line_by_less_and_the_same_points_give_the_same_line():
    relative, views = scene(np.random.default_rng(2), noise=0.04, points=400)
    line = fit_depth_line(relative, SURE, views)
    depth, _ = line.depth(relative, SURE)
    assert np.abs(depth / (2.5 * relative + 0.8) - 1).max() < 0.03
    assert line.spread == pytest.approx(0.04, rel=0.3)
    assert fit_depth_line(relative, SURE, views) == line


@pytest.mark.parametrize(
    "case", ["few points", "no confidence", "one depth", "falling", "unrelated", "flat prediction", "not finite"]
)
def test_what_cannot_be_trusted_is_refused(case):
    rng = np.random.default_rng(3)
    relative, views = scene(rng, points=30 if case == "few points" else 200)
    sure = 0 * SURE if case == "no confidence" else SURE
    if case == "one depth":
        views.points_depth[:] = 2.0
    elif case == "falling":
        relative = 1 - relative
    elif case == "unrelated":
        views.points_depth[:] = rng.permutation(rng.uniform(0.5, 9, 200))
    elif case == "flat prediction":
        relative[:] = 0.5
    elif case == "not finite":
        relative[:] = np.nan
    assert fit_depth_line(relative, sure, views) is None


def test_depth_far_beyond_the_points_and_behind_the_camera_has_no_confidence():
    relative, views = scene(np.random.default_rng(4), shift=-0.2)
    line = fit_depth_line(relative, SURE, views)
    beyond = np.array([[-0.5, line.trusted[0] + 1e-3, 0.5, line.trusted[1] + 0.01, np.nan]], np.float32)
    depth, confidence = line.depth(beyond, np.full_like(beyond, 0.7))
    assert (confidence > 0).tolist() == [[False, line.depth(beyond, beyond)[0][0, 1] != 1, True, False, False]]
    assert (depth > 0).all()


def test_a_run_that_begins_without_any_fit_is_refused_and_later_gaps_are_counted():
    relative, views = scene(np.random.default_rng(5))
    line = fit_depth_line(relative, SURE, views)
    fits = DepthFits(most=3)
    assert fits.take(None, 0) is None and fits.take(None, 4) is None
    assert fits.take(line, 8) is line
    assert all(fits.take(None, frame) is None for frame in range(9, 30))
    fits = DepthFits(most=3)
    fits.take(None, 0), fits.take(None, 1)
    with pytest.raises(ScaleError, match="first 3 keyframes"):
        fits.take(None, 2)
