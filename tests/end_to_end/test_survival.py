"""Runs that are killed, lose a process or are interrupted end with the map that an undisturbed run gives."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from mapping.store.reader import open_map
from mapping.store.validate import validate_map
from tests.end_to_end.conftest import REPOSITORY, ROOM, command, run_process

FRAMES = 120
STAGES = ("tracking", "inference", "mapping")
ARGUMENTS = ("map", ROOM / "video.mp4", "--max-frames", FRAMES)
START = (
    "--intrinsics",
    ROOM / "intrinsics.json",
    "--set",
    "run.commit_frames=20",
    "--set",
    "run.keyframes_per_submap=8",
)
QUICK = (*START, "--set", "model=planesweep")
WAITING = (*START, "--set", "scale.enough_keyframes=9")  # the default model holds frames until it knows the scale


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return whole_map(tmp_path_factory, QUICK)


def whole_map(tmp_path_factory, start):
    out = tmp_path_factory.mktemp("whole") / "m.zarr"
    done = run_process(*ARGUMENTS, *start, "--out", out, "--local")
    assert done.returncode == 0, done.stderr
    return out


def assert_same_map(path, other):
    assert_same_frames(path, other)
    for left, right in zip(open_map(path).submaps(), open_map(other).submaps(), strict=True):
        assert np.array_equal(left.blocks.index, right.blocks.index)
        assert np.allclose(left.blocks.tsdf, right.blocks.tsdf, atol=2e-3)
        assert np.allclose(left.blocks.weight, right.blocks.weight, rtol=2e-3)


def assert_same_frames(path, other):
    """Every frame once, in the same submap and at the same pose."""
    a, b = open_map(path), open_map(other)
    assert validate_map(path) == []
    assert a.header.progress.next_frame == b.header.progress.next_frame == FRAMES
    assert a.header.progress.frames_by_status == b.header.progress.frames_by_status
    frames = [[k.frame for k in reader.keyframes()] for reader in (a, b)]
    assert frames[0] == frames[1]
    assert len(set(frames[0])) == len(frames[0])
    for left, right in zip(a.submaps(), b.submaps(), strict=True):
        assert np.array_equal(left.T_world_submap, right.T_world_submap)
        assert [f.index for f in left.frames] == [f.index for f in right.frames]
    assert np.allclose(a.trajectory().T_world_cam, b.trajectory().T_world_cam, atol=1e-9, equal_nan=True)


def test_a_killed_run_goes_on_to_the_same_map(undisturbed, tmp_path):
    kill_and_resume(tmp_path / "m.zarr", QUICK, 3)
    assert_same_map(tmp_path / "m.zarr", undisturbed)


def test_a_run_killed_after_frames_waited_for_their_scale_goes_on_to_the_same_poses(tmp_path, tmp_path_factory):
    kill_and_resume(tmp_path / "m.zarr", WAITING, 2)
    assert_same_frames(tmp_path / "m.zarr", whole_map(tmp_path_factory, WAITING))


def kill_and_resume(out, start, kills):
    """Runs that are killed at their next commit or soon after, one after the other, and one that ends."""
    rng = random.Random(5)
    for attempt in range(kills):
        more = ("--resume",) if out.exists() else start
        process = subprocess.Popen(
            command(*ARGUMENTS, *more, "--out", out, "--local"),
            cwd=REPOSITORY,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for_commits(out, process, attempt + 1)
        time.sleep(rng.uniform(0, 0.4))
        process.kill()
        process.wait()
        assert validate_map(out) == []
    done = run_process(*ARGUMENTS, "--out", out, "--resume", "--local")
    assert done.returncode == 0 or "complete" in done.stderr, done.stderr


def actors(process, stages=STAGES):
    """Process ids of the stages that run as actors of a process, and of no other on this machine."""
    parent, found = {}, []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            line = (entry / "cmdline").read_bytes().decode(errors="replace")
            if line.startswith(tuple(f"ray::{stage.capitalize()}" for stage in stages)):
                found.append(int(entry.name))
        except OSError:  # it ended meanwhile
            continue
    return {pid for pid in found if process.pid in ancestors(pid, parent)}


def ancestors(pid, parent):
    """The process that started a process, the one that started that, and so on."""
    while pid := parent.get(pid, 0):
        yield pid


def wait_for(process, ready):
    """Until it is so, or the run has ended."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None and not ready():
        time.sleep(0.02)


def wait_for_commits(out, process, count):
    """Until the map has been committed `count` times, or the run has ended."""
    wait_for(process, lambda: commits(out) >= count)


def commits(out):
    """How many the map has."""
    return open_map(out).header.generation if (out / "zarr.json").exists() else 0


def test_killed_actors_are_replaced_one_after_the_other_and_the_map_is_that_of_one_process(undisturbed, tmp_path):
    out = tmp_path / "m.zarr"
    process = subprocess.Popen(
        command(*ARGUMENTS, *QUICK, "--out", out, "--actors"),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    gone = set()
    for stage in STAGES:
        wait_for(process, lambda gone=frozenset(gone): actors(process) - gone)  # those of this attempt
        wait_for_commits(out, process, commits(out) + 1)
        victims = actors(process, [stage]) - gone
        assert victims, "the stage runs as an actor"
        gone |= actors(process)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
    _, err = process.communicate(timeout=250)
    assert process.returncode == 0, err
    assert "Going on from the last commit" in err and all(f"the {s} stage died" in err for s in STAGES)
    assert_same_map(out, undisturbed)


@pytest.mark.parametrize("how", ["--local", "--actors"])
def test_an_interrupted_run_leaves_a_valid_map_and_can_go_on(tmp_path, how):
    out = tmp_path / "m.zarr"
    process = subprocess.Popen(
        command(*ARGUMENTS, *QUICK, "--out", out, how), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    wait_for_commits(out, process, 2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal's Ctrl-C reaches the whole group
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    assert "--resume" in said
    header = open_map(out).header
    assert validate_map(out) == []
    assert not header.progress.complete
    assert 20 <= header.progress.next_frame < FRAMES
    done = run_process(*ARGUMENTS, "--out", out, "--resume", "--local")
    assert done.returncode == 0, done.stderr
    header = open_map(out).header
    assert header.progress.complete
    assert sum(header.progress.frames_by_status.values()) == header.progress.next_frame == FRAMES
