"""Bundle adjustment beside tracking: where it runs changes nothing, and what comes meanwhile moves along."""

import os
import signal

import numpy as np
import pytest

from mapping.slam.adjuster_process import AdjusterProcess
from mapping.slam.adjustment import AdjustedKeyframes, AdjustedTracks, Adjustment, Solution, solve
from mapping.slam.back_end import BackEnd
from mapping.slam.lens import Lens
from mapping.slam.local_map import LocalMap
from mapping.slam.rigid import inverse, transform
from mapping.slam.settings import TrackerSettings
from streammtl.camera import Camera

CAMERA = Camera.pinhole(640, 480, 500.0, 500.0, 319.5, 239.5)
LENS = Lens(CAMERA)
GREY = np.zeros((480, 640), np.uint8)


@pytest.fixture
def local_map():
    """Six keyframes in a row that see 120 points; the poses are a few millimetres off but for the first."""
    rng = np.random.default_rng(3)
    xyz = np.column_stack([rng.uniform(-1, 1, (120, 2)), rng.uniform(3, 5, 120)])
    made = LocalMap()
    for k in range(6):
        T_world_cam = np.eye(4)
        T_world_cam[0, 3] = 0.1 * k
        uv = LENS.project(xyz, T_world_cam)[0]
        if k:
            T_world_cam[:3, 3] += rng.normal(0, 0.004, 3)
        made.keyframes.append(index=np.array([10 * k]), T_world_cam=T_world_cam)
        if k == 0:
            made.add_tracks(GREY, uv, uv, xyz + rng.normal(0, 0.01, xyz.shape), 0)
        made.sightings.append(keyframe=10 * k, track=made.tracks.id, uv=uv, depth_m=0.0)
    return made


def same(a, b):
    return np.array_equal(a.keyframes.T_world_cam, b.keyframes.T_world_cam) and np.array_equal(
        a.tracks.xyz, b.tracks.xyz
    )


def test_the_process_gives_the_same_bits_as_solving_here(local_map, caplog):
    problem = Adjustment(LENS).problem(local_map, window=5)
    process = AdjusterProcess()
    process.start()
    pid = process.pid
    for _ in range(2):
        assert same(process.result(process.submit(problem)), solve(problem))
    assert process.pid == pid and not caplog.records  # it was the process that solved them


def test_a_process_that_is_killed_changes_nothing_and_is_replaced(local_map):
    problem = Adjustment(LENS).problem(local_map, window=5)
    process = AdjusterProcess()
    process.start()
    os.kill(process.pid, signal.SIGKILL)
    assert same(process.result(process.submit(problem)), solve(problem))
    killed = process.pid
    assert same(process.result(process.submit(problem)), solve(problem))
    assert process.pid != killed


def test_a_job_that_nobody_asked_for_yet_is_not_lost_when_the_next_is_submitted(local_map):
    adjustment, process = Adjustment(LENS), AdjusterProcess()
    problems = [adjustment.problem(local_map, window) for window in (3, 5)]
    jobs = [process.submit(problem) for problem in problems]
    assert all(same(process.result(job), solve(problem)) for job, problem in zip(jobs, problems, strict=True))


def test_keyframes_and_landmarks_that_came_meanwhile_move_along(local_map):
    keyframes, tracks = local_map.keyframes, local_map.tracks
    solution = Solution(AdjustedKeyframes(), AdjustedTracks())
    shifted = keyframes.T_world_cam[5].copy()
    shifted[:3, 3] += [0.0, 0.02, 0.0]
    solution.keyframes.append(index=keyframes.index[5:], T_world_cam=shifted)
    solution.tracks.append(id=tracks.id, xyz=tracks.xyz)
    later = keyframes.T_world_cam[5].copy()
    later[0, 3] += 0.1
    keyframes.append(index=np.array([60]), T_world_cam=later)
    new = np.array([[0.5, 0.0, 4.0]])
    uv = LENS.project(new, later)[0]
    local_map.add_tracks(GREY, uv, uv, new, 60)
    local_map.sightings.append(keyframe=60, track=tracks.id[-1:], uv=uv, depth_m=4.0)
    in_camera = transform(inverse(later), new)
    Adjustment(LENS).take_up(local_map, solution)
    np.testing.assert_allclose(keyframes.T_world_cam[6, :3, 3], later[:3, 3] + [0.0, 0.02, 0.0], atol=1e-12)
    np.testing.assert_allclose(transform(inverse(keyframes.T_world_cam[6]), tracks.xyz[-1:]), in_camera, atol=1e-12)


def test_when_an_adjustment_is_taken_up_depends_on_its_size_alone_and_survives_a_checkpoint(local_map):
    def begun():
        back_end = BackEnd(TrackerSettings(window=5), LENS, has_depth=False)
        back_end.want()
        back_end.begin(local_map, 50)
        return back_end

    back_end, resumed = begun(), BackEnd(TrackerSettings(window=5), LENS, has_depth=False)
    resumed.from_arrays(back_end.to_arrays())
    assert [b.is_due(i) for b in (back_end, resumed) for i in (50, 51)] == [False, True] * 2  # 720 sightings: a frame
    other = LocalMap.from_arrays(local_map.to_arrays())
    back_end.take_up(local_map)
    assert len(resumed.take_up(other)) == 5
    assert np.array_equal(other.keyframes.T_world_cam, local_map.keyframes.T_world_cam)
    assert not resumed.is_due(99)


def test_a_wide_adjustment_does_not_go_back_over_a_loop(local_map):
    settings = TrackerSettings(window=3, wide_window=6, wide_every=1)

    def moved(settled):
        back_end = BackEnd(settings, LENS, has_depth=False)
        if settled:
            back_end.settle(50)
        back_end.want()
        copy = LocalMap.from_arrays(local_map.to_arrays())
        back_end.begin(copy, 50)
        return len(back_end.take_up(copy))

    assert (moved(False), moved(True)) == (5, 3)
