"""What happens between tracking and mapping: checkpoints, keyframes, scale."""

from dataclasses import replace

import numpy as np
import pytest

from mapping.slam.scale import ScaleAligner, ScaleEstimate
from mapping.slam.scale_path import ScalePath
from mapping.slam.scale_settings import ScaleSettings
from mapping.slam.tracked import TrackedFrame, TrackStatus
from mapping.slam.view_selection import View, ViewSelectionSettings, ViewSelector, ViewTuple
from pipelines.stages import Arrival, Prediction, Step
from pipelines.steps import arrivals, bring_to_scale, keep_to_scale, select_keyframes
from pipelines.view_batches import view_batch
from streammtl.camera import Camera
from streammtl.errors import ScaleError
from streammtl.models.settings import ModelSettings
from streammtl.views import Frame, ScaleStatus

CAMERA = Camera.pinhole(64, 48, 60, 60, 31.5, 23.5)
IMAGE = np.zeros((48, 64, 3), np.uint8)


def frame(index):
    return Frame(index, index / 30, IMAGE, CAMERA)


def moved(x):
    T = np.eye(4)
    T[0, 3] = x
    return T


def tracked(index, component=0, state=None, posed=True):
    return TrackedFrame(
        index,
        index / 30,
        TrackStatus.TRACKED if posed else TrackStatus.LOST,
        ScaleStatus.UP_TO_SCALE,
        component,
        T_world_cam=moved(0.2 * index) if posed else None,
        reference=index,
        state=state,
    )


def marks(indices, every, cursor=0):
    return [a.frame.index for a in arrivals((frame(i) for i in indices), every, cursor) if a.checkpoint]


def test_checkpoints_depend_on_frame_indices_alone():
    assert marks(range(25), 10) == [10, 20]
    assert marks(range(0, 60, 7), 10) == [14, 21, 35, 42, 56]
    assert marks(range(11, 25), 10, cursor=11) == [20]
    assert marks(range(21, 60, 7), 10, cursor=15) == [21, 35, 42, 56]


def test_every_frame_is_in_exactly_one_step_and_checkpoints_end_steps():
    words = [
        (Arrival(frame(i), False, 0.0), tracked(i, state={"s": np.zeros(1)} if i == 7 else None)) for i in range(12)
    ]
    steps = list(select_keyframes(words, ViewSelector(ViewSelectionSettings(delay=2))))
    assert [t.index for s in steps for t in s.tracked] == list(range(12))
    assert [s.views.reference.index for s in steps if s.views is not None] == list(range(12))
    checkpoint = next(s for s in steps if s.checkpoint is not None)
    assert checkpoint.tracked == [] or checkpoint.tracked[-1].index == 7
    before = [t.index for s in steps[: steps.index(checkpoint) + 1] for t in s.tracked]
    assert before == list(range(8))
    assert set(checkpoint.checkpoint) == {"tracking", "selection"}


def keyframe_steps(count, component=0, first=0):
    rng = np.random.default_rng(first)
    steps = []
    for i in range(first, first + count):
        uv = np.stack([rng.uniform(0, 63, 80), rng.uniform(0, 47, 80)], axis=1).astype(np.float32)
        reference = View(i, i / 30, IMAGE, CAMERA, moved(0.2 * i))
        views = ViewTuple(reference, [], component, ScaleStatus.UP_TO_SCALE, uv, np.full(80, 2.0))
        steps.append(Step([tracked(i, component)], views))
    return steps


def looking(depth):
    def look(step):
        return np.full((48, 64), depth, np.float32), np.ones((48, 64), np.float32)

    return look


def test_steps_wait_until_the_scale_is_known_and_then_come_in_order_and_in_metres():
    aligner = ScaleAligner(ScaleSettings(min_keyframes=5), ScaleStatus.METRIC, "depth")
    steps = keyframe_steps(9)
    steps[3].checkpoint = {"tracking": {}, "selection": {}}
    steps[4].tracked[0].covariance = np.eye(6)
    released = list(bring_to_scale(steps, aligner, looking(3.0)))
    assert [s.views.reference.index for s in released] == list(range(9))
    assert all(not s.single_view for s in released)
    for s in released:
        i = s.views.reference.index
        assert s.views.reference.T_world_cam[0, 3] == pytest.approx(1.5 * 0.2 * i)
        assert s.tracked[0].T_world_cam[0, 3] == pytest.approx(1.5 * 0.2 * i)
        assert s.tracked[0].scale_status is ScaleStatus.METRIC
    assert np.allclose(np.diag(released[4].tracked[0].covariance), [1, 1, 1, 2.25, 2.25, 2.25])
    resumed = ScaleAligner(ScaleSettings(), ScaleStatus.METRIC, "depth")
    resumed.restore(released[3].checkpoint["scale"])
    assert resumed.estimates[0].factor == pytest.approx(1.5)


def test_a_stated_distance_between_two_frames_is_the_scale_from_the_first_frame_on():
    settings = ScaleSettings(distance_m=3.0, distance_frames=(1, 6))
    released = list(bring_to_scale(keyframe_steps(9), ScaleAligner(settings, ScaleStatus.UP_TO_SCALE, "depth"), None))
    positions = [s.views.reference.T_world_cam[0, 3] for s in released]
    assert positions == pytest.approx([0.6 * i for i in range(9)])
    assert all(s.tracked[0].scale_status is ScaleStatus.METRIC for s in released)
    assert released[0].scale.interval == pytest.approx((3.0 * 0.98, 3.0 * 1.02))
    assert "3 m between frames 1 and 6" in released[0].scale.method


def test_a_stated_distance_to_a_frame_that_never_comes_is_refused():
    settings = ScaleSettings(distance_m=3.0, distance_frames=(1, 60))
    with pytest.raises(ScaleError, match="frames 1 and 60"):
        list(bring_to_scale(keyframe_steps(9), ScaleAligner(settings, ScaleStatus.METRIC, "depth"), None))


def test_a_recording_too_short_to_know_its_scale_is_refused():
    aligner = ScaleAligner(ScaleSettings(), ScaleStatus.METRIC, "depth")
    with pytest.raises(ScaleError):
        list(bring_to_scale(keyframe_steps(2), aligner, looking(3.0)))


def test_a_short_recording_gets_its_scale_from_a_network_at_its_end():
    aligner = ScaleAligner(ScaleSettings(), ScaleStatus.METRIC, "depth", 0.1)
    released = list(bring_to_scale(keyframe_steps(9), aligner, looking(3.0)))
    assert [s.views.reference.T_world_cam[0, 3] for s in released] == pytest.approx([1.5 * 0.2 * i for i in range(9)])
    assert all(not s.single_view for s in released)


def test_a_later_stretch_without_scale_is_left_out_and_says_so():
    aligner = ScaleAligner(ScaleSettings(min_keyframes=5), ScaleStatus.METRIC, "depth")
    steps = keyframe_steps(6) + keyframe_steps(2, component=1, first=6)
    released = list(bring_to_scale(steps, aligner, looking(3.0)))
    assert [s.views is not None for s in released] == [True] * 6 + [False] * 2
    assert released[-1].tracked[0].status is TrackStatus.LOST
    assert "scale" in released[-1].tracked[0].reason


def test_a_recording_too_short_for_a_network_to_tell_its_scale_becomes_a_map_up_to_scale():
    aligner = ScaleAligner(ScaleSettings(), ScaleStatus.METRIC, "depth", 0.1)
    released = list(bring_to_scale(keyframe_steps(3), aligner, looking(3.0)))
    assert [s.views.reference.T_world_cam[0, 3] for s in released] == pytest.approx([0.0, 0.3, 0.6])
    for s in released:
        assert s.scale.status is s.views.scale_status is s.tracked[0].scale_status is ScaleStatus.UP_TO_SCALE
        assert s.tracked[0].status is TrackStatus.TRACKED and s.views.points_depth[0] == pytest.approx(3.0)


def test_a_first_stretch_too_short_for_its_scale_does_not_hold_up_what_follows():
    settings = ScaleSettings(min_keyframes=5, max_keyframes=6)
    aligner = ScaleAligner(settings, ScaleStatus.METRIC, "depth")
    steps = iter(keyframe_steps(2) + keyframe_steps(30, component=1, first=2))
    first = next(released := bring_to_scale(steps, aligner, looking(3.0)))
    assert next(steps).views.reference.index <= 2 + 2 * settings.max_keyframes  # no more were held
    assert first.views is None and first.tracked[0].status is TrackStatus.LOST
    rest = list(released)
    assert all(s.views.scale_status is ScaleStatus.METRIC for s in rest[1:])


def test_triangulated_depth_passes_at_once_and_unchanged():
    aligner = ScaleAligner(ScaleSettings(), ScaleStatus.UP_TO_SCALE, "depth")
    source = iter(keyframe_steps(3))
    passing = bring_to_scale(source, aligner, looking(0.0))
    assert next(passing).views.reference.T_world_cam[0, 3] == 0
    assert next(source).views.reference.index == 1  # nothing was taken ahead


def test_a_view_of_unknown_scale_is_looked_at_between_the_depths_of_the_settings():
    views = keyframe_steps(1)[0].views  # points at 2 of the tracker's units
    settings = ModelSettings(near_m=0.4, far_m=9.0)
    alone = view_batch(views, 64, 48, settings, single_view=True)
    assert (alone.near_m.item(), alone.far_m.item()) == pytest.approx((0.4, 9.0))
    among = view_batch(views, 64, 48, settings, single_view=False)
    assert (among.near_m.item(), among.far_m.item()) == pytest.approx((1.5, 2.5))


def seen(step, own_depth=3.0, factor=1.0):
    """A step in metres and what a network said of its keyframe."""
    estimate = ScaleEstimate(ScaleStatus.METRIC, "depth", factor, (0.9 * factor, 1.1 * factor))
    depth = np.full((48, 64), 2.0, np.float32)
    prediction = Prediction(depth, np.ones_like(depth), CAMERA, True, own_depth_m=np.full(80, own_depth, np.float32))
    return replace(step, scale=estimate), prediction


def doubted(count, at, network, metric=False):
    """Keyframes of one surface 2 units away; from `at` on, after a pose in doubt, a network sees `network` metres."""
    steps = keyframe_steps(count)
    for i, step in enumerate(steps):
        step.tracked[0].confidence = 0.0 if i == at else 1.0
    pairs = [seen(step, network if i >= at else 2.0) for i, step in enumerate(steps)]
    if metric:
        pairs = [(replace(step, scale=ScaleEstimate(ScaleStatus.METRIC, "poses are metric")), p) for step, p in pairs]
    return pairs


def test_what_follows_a_doubtful_pose_takes_the_unit_that_the_network_tells():
    kept = list(keep_to_scale(doubted(90, 40, 3.0), ScalePath(), 50))
    assert [s.moves for s, _ in kept[:41]] == [[]] * 41 and any(s.moves for s, _ in kept)
    step, prediction = kept[-1]
    factor = step.path_scale.corrected[1]
    assert 1.2 < factor < 1.5 and step.path_scale.over_recording > 1.0
    np.testing.assert_allclose(prediction.depth_m, 2.0 * factor, rtol=1e-5)
    np.testing.assert_allclose(step.views.points_depth, 2.0 * factor)
    assert step.views.reference.T_world_cam[0, 3] == pytest.approx(0.2 * 39.5 + factor * 0.2 * (89 - 39.5), rel=1e-6)
    np.testing.assert_array_equal(step.views.reference.T_world_cam, step.tracked[0].T_world_cam)


def test_poses_with_metres_of_their_own_need_no_network():
    pairs = doubted(90, 40, 3.0, metric=True)
    for (step, prediction), (kept, same) in zip(pairs, keep_to_scale(pairs, ScalePath(), 50), strict=True):
        assert kept.views is step.views and same is prediction and kept.moves == [] and kept.path_scale is None


def test_a_checkpoint_holds_the_path_and_a_resumed_run_goes_on_alike():
    pairs = doubted(90, 40, 3.0)
    pairs[60][0].checkpoint = {}
    whole = list(keep_to_scale(pairs, ScalePath(), 50))
    path = ScalePath.restored(whole[60][0].checkpoint["scale_path"])
    for (step, _), (again, _) in zip(whole[61:], keep_to_scale(pairs[61:], path, 50), strict=True):
        np.testing.assert_array_equal(again.views.reference.T_world_cam, step.views.reference.T_world_cam)
        assert len(again.moves) == len(step.moves)
