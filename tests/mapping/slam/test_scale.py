"""One scale for depth and poses."""

from contextlib import nullcontext

import numpy as np
import pytest
from pydantic import ValidationError

from mapping.slam.scale import ScaleAligner, depth_ratio
from mapping.slam.scale_drift import ScaleDrift
from mapping.slam.scale_floor import floor_distance
from mapping.slam.scale_settings import ScaleSettings
from mapping.slam.view_selection import View, ViewTuple
from streammtl.camera import Camera
from streammtl.errors import ScaleError
from streammtl.views import ScaleStatus

CAMERA = Camera.pinhole(64, 48, 60, 60, 31.5, 23.5)


def views(rng, points=200, component=0):
    uv = np.stack([rng.uniform(0, 63, points), rng.uniform(0, 47, points)], axis=1).astype(np.float32)
    T = np.eye(4)
    reference = View(0, 0.0, np.zeros((48, 64, 3), np.uint8), CAMERA, T)
    return ViewTuple(reference, [], component, ScaleStatus.UP_TO_SCALE, uv, rng.uniform(1, 3, points))


def depth_at(tuple_, factor, outliers=0.0, rng=None):
    depth = np.full((48, 64), 2.0, np.float32)
    pixel = np.rint(tuple_.points_uv).astype(int)
    for (u, v), z in zip(pixel, tuple_.points_depth, strict=True):
        wrong = rng is not None and rng.random() < outliers
        depth[v, u] = z * factor * (5.0 if wrong else 1.0)
    return depth


def test_the_ratio_is_exact_without_noise_and_robust_to_a_third_of_outliers():
    rng = np.random.default_rng(1)
    seen = views(rng, points=60)
    sure = np.ones((48, 64), np.float32)
    assert depth_ratio(depth_at(seen, 1.7), sure, seen, 30) == pytest.approx(1.7, rel=0.01)
    assert depth_ratio(depth_at(seen, 1.7, 0.3, rng), sure, seen, 30) == pytest.approx(1.7, rel=0.02)


def test_too_few_points_or_no_confidence_give_no_ratio():
    rng = np.random.default_rng(2)
    seen = views(rng, points=20)
    assert depth_ratio(depth_at(seen, 1), np.ones((48, 64), np.float32), seen, 50) is None
    many = views(rng, points=200)
    assert depth_ratio(depth_at(many, 1), np.zeros((48, 64), np.float32), many, 50) is None


def test_the_interval_of_a_settled_scale_holds_the_truth_nine_times_in_ten():
    rng = np.random.default_rng(3)
    sure = np.ones((48, 64), np.float32)
    held = []
    for component in range(100):
        aligner = ScaleAligner(ScaleSettings(), ScaleStatus.METRIC, "depth")
        while not aligner.decided(component, ScaleStatus.UP_TO_SCALE):
            seen = views(rng, points=60, component=component)
            aligner.observe(seen, depth_at(seen, 2.5 * np.exp(rng.normal(0, 0.03))), sure)
        estimate = aligner.estimates[component]
        assert estimate.status is ScaleStatus.METRIC
        assert estimate.factor == pytest.approx(2.5, rel=0.1)
        held.append(estimate.interval[0] < 2.5 < estimate.interval[1])
    assert np.mean(held) >= 0.85


def test_what_depth_of_a_whole_room_may_be_off_widens_the_interval():
    """Keyframes that agree perfectly with each other and are all 30 % off: the truth has to be in the interval."""
    rng = np.random.default_rng(12)
    sure = np.ones((48, 64), np.float32)
    for depth_error, holds in ((0.0, False), (0.15, True)):
        aligner = ScaleAligner(ScaleSettings(max_interval=0.05), ScaleStatus.METRIC, "depth", depth_error)
        for _ in range(ScaleSettings().enough_keyframes):
            seen = views(rng, points=60)
            if 0 not in aligner.estimates:
                aligner.observe(seen, depth_at(seen, 1.3), sure)
        low, high = aligner.estimates[0].interval
        assert (low < 1.0 < high) == holds
        assert np.log(high / low) == pytest.approx(2 * 1.96 * depth_error, abs=0.02)


@pytest.mark.parametrize(("depth_error", "waits"), [(0.0, 8), (0.1, 20)])
def test_a_network_is_asked_about_more_places_than_a_sensor(depth_error, waits):
    rng = np.random.default_rng(13)
    aligner = ScaleAligner(ScaleSettings(), ScaleStatus.METRIC, "depth", depth_error)
    seen = 0
    while not aligner.estimates:
        keyframe = views(rng, points=60)
        aligner.observe(keyframe, depth_at(keyframe, 1.3), np.ones((48, 64), np.float32))
        seen += 1
    assert seen == waits


@pytest.mark.parametrize(("depth_error", "settles"), [(0.0, False), (0.1, True)])
def test_a_network_may_scatter_more_than_a_sensor(depth_error, settles):
    """Thirty keyframes that scatter by a fifth: an interval 21 % wide, where 20 is allowed and 30 of a network."""
    off = 0.205 * np.tile([-1.0, 1.0], 15) / 1.4826
    aligner = ScaleAligner(ScaleSettings(min_keyframes=30), ScaleStatus.METRIC, "depth", depth_error)
    rng = np.random.default_rng(15)
    with nullcontext() if settles else pytest.raises(ScaleError, match="within 20%"):
        for log_ratio in off:
            keyframe = views(rng, points=60)
            aligner.observe(keyframe, depth_at(keyframe, np.exp(log_ratio)), np.ones((48, 64), np.float32))
    assert (0 in aligner.estimates) == settles


def test_fewer_places_will_do_when_no_more_come():
    rng = np.random.default_rng(14)
    aligner = ScaleAligner(ScaleSettings(), ScaleStatus.METRIC, "depth", 0.1)
    concluded = []
    for _ in range(8):
        keyframe = views(rng, points=60)
        concluded.append(aligner.conclude(0))
        aligner.observe(keyframe, depth_at(keyframe, 1.3), np.ones((48, 64), np.float32))
    assert not any(concluded) and not aligner.estimates
    assert aligner.conclude(0) and aligner.estimates[0].factor == pytest.approx(1.3, rel=0.01)


def test_a_scale_that_does_not_settle_is_refused_with_advice():
    rng = np.random.default_rng(4)
    aligner = ScaleAligner(ScaleSettings(max_keyframes=8), ScaleStatus.METRIC, "depth")
    with pytest.raises(ScaleError, match=r"--poses"):
        for _ in range(9):
            seen = views(rng)
            aligner.observe(seen, depth_at(seen, np.exp(rng.normal(0, 1.5))), np.ones((48, 64), np.float32))


def scattering(component=0, keyframes=8, rng_seed=4, log_spread=1.5, aligner=None):
    """A network's aligner after keyframes whose ratios have no common value."""
    rng = np.random.default_rng(rng_seed)
    aligner = aligner or ScaleAligner(ScaleSettings(max_keyframes=8), ScaleStatus.METRIC, "network depth", 0.1)
    for _ in range(keyframes):
        seen = views(rng, component=component)
        aligner.observe(seen, depth_at(seen, np.exp(rng.normal(0, log_spread))), np.ones((48, 64), np.float32))
    return aligner


def test_a_network_that_does_not_know_the_scale_gives_a_guess_and_the_map_is_up_to_scale(caplog):
    aligner = scattering()
    guess = aligner.estimates[0]
    assert guess.status is ScaleStatus.UP_TO_SCALE and guess.interval is None
    assert 0.1 < guess.factor < 10 and guess.factor != 1.0
    assert "up to scale" in caplog.text and "--poses" in caplog.text
    other = ScaleAligner(ScaleSettings(), ScaleStatus.METRIC, "network depth", 0.1)
    other.restore(aligner.state())
    assert other.estimates == aligner.estimates
    for one in (aligner, other):  # what follows is no better: one map has one unit
        scattering(component=1, keyframes=20, log_spread=0.01, aligner=one)
        assert one.estimates[1].status is ScaleStatus.UP_TO_SCALE
        assert one.estimates[1].factor == pytest.approx(1.0, rel=0.02)


def test_a_component_without_scale_beside_a_metric_one_is_left_out(caplog):
    aligner = scattering(log_spread=0.01)
    assert aligner.estimates[0].status is ScaleStatus.METRIC
    scattering(component=1, aligner=aligner)
    assert aligner.decided(1, ScaleStatus.UP_TO_SCALE) and 1 not in aligner.estimates
    assert "component 1 is left out" in caplog.text
    other = ScaleAligner(ScaleSettings(), ScaleStatus.METRIC, "network depth", 0.1)
    other.restore(aligner.state())
    assert (other.estimates, other.left_out) == (aligner.estimates, {1})


def test_a_network_without_a_word_on_the_scale_leaves_the_poses_as_they_are():
    aligner = ScaleAligner(ScaleSettings(), ScaleStatus.METRIC, "network depth", 0.1)
    aligner.give_up(0)
    assert aligner.estimates[0].factor == 1.0 and aligner.estimates[0].status is ScaleStatus.UP_TO_SCALE


def test_metric_poses_and_triangulated_depth_need_no_measuring():
    assert ScaleAligner(ScaleSettings(), ScaleStatus.METRIC, "depth").decided(0, ScaleStatus.METRIC)
    triangulated = ScaleAligner(ScaleSettings(), ScaleStatus.UP_TO_SCALE, "depth")
    assert triangulated.decided(0, ScaleStatus.UP_TO_SCALE)
    assert triangulated.estimates[0].status is ScaleStatus.UP_TO_SCALE
    assert not ScaleAligner(ScaleSettings(), ScaleStatus.METRIC, "depth").decided(0, ScaleStatus.UP_TO_SCALE)


def test_a_stated_factor_is_taken_at_once_whatever_the_depth_is():
    for depth_scale in ScaleStatus:
        aligner = ScaleAligner(ScaleSettings(factor=1.25), depth_scale, "depth")
        assert aligner.decided(0, ScaleStatus.UP_TO_SCALE)
        assert aligner.estimates[0].factor == 1.25 and aligner.estimates[0].interval == pytest.approx((1.225, 1.275))
        other = ScaleAligner(ScaleSettings(factor=1.25), depth_scale, "depth")
        other.restore(aligner.state())
        assert other.estimates == aligner.estimates


@pytest.mark.parametrize(
    "stated",
    [
        {"factor": 2.0, "camera_height_m": 1.5},
        {"distance_m": 2.0},
        {"distance_frames": (3, 9)},
        {"distance_m": 2.0, "distance_frames": (3, 3)},
    ],
)
def test_contradictory_or_half_statements_are_refused(stated):
    with pytest.raises(ValidationError):
        ScaleSettings(**stated)


def room_points(rng, height, tilt=0.0, points=300):
    """Floor, a table and a wall before a camera `height` above the floor that looks down by `tilt` radians."""
    n = points // 3
    floor = np.stack([rng.uniform(-2, 2, n), np.full(n, height), rng.uniform(1, 5, n)], axis=1)
    table = np.stack([rng.uniform(-1, 1, n), np.full(n, 0.5 * height), rng.uniform(2, 3, n)], axis=1)
    wall = np.stack([rng.uniform(-2, 2, n), rng.uniform(-1, height, n), np.full(n, 5.0)], axis=1)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    return (np.concatenate([floor, table, wall]) + rng.normal(0, 0.005 * height, (3 * n, 3))) @ turn.T


@pytest.mark.parametrize("tilt", [0.0, 0.4, -0.3])
def test_the_floor_is_found_below_table_and_wall(tilt):
    rng = np.random.default_rng(8)
    assert floor_distance(room_points(rng, 0.8, tilt)) == pytest.approx(0.8, rel=0.02)


def test_a_wall_alone_is_no_floor():
    rng = np.random.default_rng(9)
    wall = np.stack([rng.uniform(-2, 2, 200), rng.uniform(-1, 1, 200), np.full(200, 3.0)], axis=1)
    assert floor_distance(wall) is None and floor_distance(wall[:10]) is None


def test_a_stated_camera_height_scales_the_poses():
    rng = np.random.default_rng(10)
    aligner = ScaleAligner(ScaleSettings(camera_height_m=1.6), ScaleStatus.UP_TO_SCALE, "depth")
    for _ in range(9):
        assert not aligner.decided(0, ScaleStatus.UP_TO_SCALE) or 0 in aligner.estimates
        seen = views(rng, points=300)
        points = room_points(rng, 0.8)
        seen.points_uv = (points[:, :2] / points[:, 2:] * 60 + [31.5, 23.5]).astype(np.float32)
        seen.points_depth = points[:, 2]
        aligner.watch([], seen)
    estimate = aligner.estimates[0]
    assert estimate.factor == pytest.approx(2.0, rel=0.02)
    assert estimate.interval[0] < 2.0 < estimate.interval[1] and "1.6 m above the floor" in estimate.method


def test_the_ratio_along_the_path_is_filtered_and_drift_is_told_once(caplog):
    rng = np.random.default_rng(11)
    steady, drifting = ScaleDrift(), ScaleDrift()
    for i in range(60):
        noise = np.exp(rng.normal(0, 0.05)) * (3.0 if i % 10 == 5 else 1.0)  # an outlier now and then
        steady.take(noise, "depth", i)
        drifting.take(noise * np.exp(0.005 * i), "depth", i)
        steady = ScaleDrift.restored(steady.state())
    low, high = steady.along_path
    assert 0.93 < low <= high < 1.07
    assert drifting.along_path[1] == pytest.approx(np.exp(0.3), rel=0.07)
    assert len(caplog.records) == 1 and "times what the poses say" in caplog.text


def test_scaling_views_multiplies_lengths_and_nothing_else():
    rng = np.random.default_rng(5)
    seen = views(rng)
    seen.reference.T_world_cam[:3, 3] = 1, 2, 3
    metric = seen.scaled(2.0, ScaleStatus.METRIC)
    assert np.array_equal(metric.reference.T_world_cam[:3, 3], [2, 4, 6])
    assert np.array_equal(metric.reference.T_world_cam[:3, :3], np.eye(3))
    assert np.array_equal(metric.points_depth, seen.points_depth * 2)
    assert metric.scale_status is ScaleStatus.METRIC


def test_a_restored_aligner_knows_the_measured_scale():
    rng = np.random.default_rng(6)
    aligner = ScaleAligner(ScaleSettings(), ScaleStatus.METRIC, "depth")
    while not aligner.decided(3, ScaleStatus.UP_TO_SCALE):
        seen = views(rng, component=3)
        aligner.observe(seen, depth_at(seen, 0.8), np.ones((48, 64), np.float32))
    other = ScaleAligner(ScaleSettings(), ScaleStatus.METRIC, "depth")
    other.restore(aligner.state())
    assert other.estimates == aligner.estimates
