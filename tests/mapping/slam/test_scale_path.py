"""Where poses are in doubt a network's depth says whether the unit behind them is still the one of the beginning."""

import numpy as np
import pytest

from mapping.slam.rigid import similarity
from mapping.slam.scale_path import ScalePath, smoothed
from mapping.slam.tracked import Correction, TrackedFrame, TrackStatus, Trajectory
from streammtl.views import ScaleStatus

RNG = np.random.default_rng(7)
COUNT, BREAK, STRETCH = 120, 40, 1.4  # frames; where the tracker's unit changes, and by how much
TRUTH = np.cumsum(np.stack([np.full(COUNT, 0.1), 0.05 * np.sin(np.arange(COUNT) / 9), np.zeros(COUNT)], 1), axis=0)
UNIT = np.where(np.arange(COUNT) < BREAK, 1.0, 1 / STRETCH)
SEEN = TRUTH[0] + np.cumsum(np.vstack([np.zeros(3), np.diff(TRUTH, axis=0) * UNIT[1:, None]]), axis=0)
RATIO = np.exp(RNG.normal(0, 0.1, COUNT)) / UNIT  # metres over units, as a network sees them


def at(centre):
    T = np.eye(4)
    T[:3, 3] = centre
    return T


def word(index, centre, confidence=1.0, component=0, **more):
    return TrackedFrame(
        index,
        index / 30,
        more.pop("status", TrackStatus.TRACKED),
        ScaleStatus.METRIC,
        component,
        None if centre is None else at(centre),
        reference=index,
        confidence=confidence,
        **more,
    )


def words(weakest=0.2):
    """A tracker's words; it hardly knows one pose, behind which its unit is another one."""
    return [word(i, SEEN[i], weakest if i == BREAK else 1.0) for i in range(COUNT)]


def mapped(tracked, path=None, ratios=RATIO, resume_at=None):
    """The trajectory as a map would hold it, every frame a keyframe two frames late, and the path."""
    path, trajectory = path or ScalePath(), Trajectory()
    for i, frame in enumerate(tracked):
        for move in path.before([frame]):
            trajectory.correct(move)
        trajectory.add(path.placed(frame))
        if i >= 2 and tracked[i - 2].T_world_cam is not None:
            path.take(tracked[i - 2].component, i - 2, tracked[i - 2].T_world_cam, ratios[i - 2])
        if i == resume_at:
            path = ScalePath.restored(path.state())
    return trajectory, path


def centres(trajectory):
    return np.array([frame.T_world_cam[:3, 3] for frame in trajectory.frames()])


def off(found):
    """Root mean square distance from the truth once the first stretch is in place."""
    return float(np.sqrt(((found - TRUTH[: len(found)]) ** 2).sum(1).mean()))


def test_the_smoother_finds_the_most_likely_walk():
    steps, seen = RNG.uniform(0, 0.3, 12), RNG.normal(0, 1, 12)
    seen[[3, 7]] = np.nan
    rows = [np.eye(12)[i] / 0.5 for i in range(12) if not np.isnan(seen[i])]
    rows += [(np.eye(12)[i] - np.eye(12)[i - 1]) / steps[i] for i in range(1, 12)]
    sides = [*(seen[~np.isnan(seen)] / 0.5), *np.zeros(11)]
    expected = np.linalg.lstsq(np.array(rows), np.array(sides), rcond=None)[0]
    np.testing.assert_allclose(smoothed(seen, steps, 0.5), expected, atol=1e-5)


def test_without_steps_the_scale_is_one_and_a_mean():
    seen = RNG.normal(0.3, 0.2, 50)
    np.testing.assert_allclose(smoothed(seen, np.zeros(50), 0.8), seen.mean(), atol=1e-5)


def test_a_path_of_sure_poses_stays_as_it_is_to_the_bit():
    tracked = [word(i, SEEN[i]) for i in range(COUNT)]
    trajectory, path = mapped(tracked)
    np.testing.assert_array_equal(centres(trajectory), SEEN)
    assert path.told().corrected == (1.0, 1.0)
    assert path.told().over_recording == pytest.approx(np.exp(np.median(np.log(RATIO[: COUNT - 2]))))


def test_a_lost_unit_is_found_again_and_the_beginning_stays():
    trajectory, path = mapped(words())
    assert off(SEEN) > 1.0
    assert off(centres(trajectory)) < 0.55  # a network is not taken at its word
    np.testing.assert_allclose(centres(trajectory)[:BREAK], SEEN[:BREAK], atol=1e-9)
    assert path.told().corrected[1] == pytest.approx(STRETCH, rel=0.15)
    assert path.told().over_recording == pytest.approx(1.0, abs=0.12)


def test_the_surer_a_pose_the_less_a_network_has_to_say():
    found = [mapped(words(weakest))[1].told().corrected[1] for weakest in (0.1, 0.6, 0.9, 0.99)]
    assert found[0] > found[1] > found[2] > found[3] == 1.0


def test_keyframes_without_a_ratio_move_along():
    ratios = [None if i % 3 == 1 else ratio for i, ratio in enumerate(RATIO)]
    assert off(centres(mapped(words(), ratios=ratios)[0])) < 0.65


def test_revised_poses_lie_where_their_frames_do():
    tracked = words()
    for i in range(5, COUNT):
        tracked[i].revised = {i - 5: at(SEEN[i - 5]), 3: at(SEEN[3])}
    np.testing.assert_allclose(centres(mapped(tracked)[0]), centres(mapped(words())[0]), atol=1e-6)


def test_a_covariance_has_the_unit_of_the_map():
    _, path = mapped(words())
    last = word(COUNT, SEEN[-1], covariance=np.eye(6))
    stretch = path.at(0, COUNT)[0, 0]
    np.testing.assert_allclose(np.diag(path.placed(last).covariance), [1, 1, 1, *[stretch**2] * 3])


@pytest.mark.parametrize("resume_at", [10, BREAK + 1, BREAK + 17])
def test_a_path_goes_on_from_its_state_to_the_bit(resume_at):
    whole, parts = mapped(words()), mapped(words(), resume_at=resume_at)
    np.testing.assert_array_equal(centres(whole[0]), centres(parts[0]))
    assert whole[1].state().keys() == parts[1].state().keys()


def test_a_loop_knows_better_and_takes_the_networks_word_back():
    places = np.arange(0, 100, 10)
    S = np.array([similarity(at((0.0, 0.0, 0.02 * i)), 1 + 0.001 * i) for i in places])
    correction = Correction(0, 0, places, S)
    told, without = words(), [word(i, SEEN[i]) for i in range(COUNT)]
    told[100].correction = without[100].correction = correction
    moved, path = mapped(told[:101])
    np.testing.assert_allclose(centres(moved), centres(mapped(without[:101])[0]), atol=1e-9)
    assert path.told().corrected == (1.0, 1.0) and path.at(0, 60) is None
    scale = [float(np.cbrt(np.linalg.det(correction.at(i)[:3, :3]))) for i in range(98)]
    expected = np.log(RATIO[:98]) - np.log(scale)
    np.testing.assert_allclose(path.chains[0].log_ratio[:98], expected, atol=1e-9)


def lost_for_three_frames():
    tracked = words()
    tracked[90:93] = [word(i, None, np.nan, status=TrackStatus.LOST) for i in range(90, 93)]
    return tracked


def test_landmarks_found_again_change_nothing():
    tracked = lost_for_three_frames()
    tracked[93].reference = 89
    assert mapped(tracked)[1].told().corrected[1] > 1.15


def test_a_place_from_which_a_lost_camera_begins_anew_takes_the_networks_word_back():
    trajectory, path = mapped(lost_for_three_frames())
    np.testing.assert_allclose(path.chains[0].log_factor, 0)
    posed = [frame.T_world_cam[:3, 3] for frame in trajectory.frames() if frame.T_world_cam is not None]
    np.testing.assert_allclose(posed, np.delete(SEEN, [90, 91, 92], axis=0), atol=1e-9)


def test_components_keep_units_of_their_own_until_they_are_joined():
    tracked = words()
    for i in range(80, COUNT):
        tracked[i].component = 1
    tracked[80].confidence = 0.1  # of a new beginning, which needs no link
    trajectory, path = mapped(tracked)
    np.testing.assert_array_equal(centres(trajectory)[80:], SEEN[80:])
    assert path.chains[0].log_factor.any() and not path.chains[1].log_factor.any()
    join = word(COUNT, SEEN[-1], component=0)
    join.correction = Correction(1, 0, np.array([80]), np.eye(4)[None])
    moves = path.before([join])
    assert [(move.component, move.joined) for move in moves] == [(0, 0)]
    assert list(path.chains) == [0] and path.chains[0].index.tolist() == list(range(COUNT - 2))
    assert path.at(0, 60) is None


def test_joined_components_are_bounded_together():
    tracked = [word(i, SEEN[i], component=int(i >= 60)) for i in range(COUNT)]
    _, path = mapped(tracked, ScalePath(most=40))
    assert [len(chain) for chain in path.chains.values()] == [40, 40]
    join = word(COUNT, SEEN[-1], correction=Correction(1, 0, np.array([80]), np.eye(4)[None]))
    path.before([join])
    path.take(0, COUNT, join.T_world_cam, 1.0)
    assert path.chains[0].index.tolist() == [*range(COUNT - 41, COUNT - 2), COUNT]


def test_what_is_remembered_is_bounded_and_the_past_is_final():
    path = ScalePath(most=30)
    trajectory, path = mapped(words(), path)
    assert len(path.chains[0]) == 30
    free = mapped(words())[0]
    np.testing.assert_allclose(centres(trajectory)[:BREAK], centres(free)[:BREAK], atol=1e-9)
    assert off(centres(trajectory)) < 0.65
    for i in range(200):
        path.before([word(COUNT + i, SEEN[-1], 0.5)])
    assert len(path._doubts) <= 30
