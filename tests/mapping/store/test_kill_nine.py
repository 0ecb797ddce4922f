"""kill -9 at random moments: the map opens, is valid, and is one commit through and through."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zarr

from mapping.store import MapHeader, MapReader, MapWriter, StoreSettings, is_map, open_map, validate_map
from tests.mapping.store.tiny_maps import FRAMES_PER_SUBMAP, commit_number, frame

REPOSITORY = Path(__file__).resolve().parents[3]


def assert_is_commit(reader: MapReader, n: int) -> None:
    """Root, submaps, keyframes and state all belong to commit n."""
    fused = [i for i in range(n) if frame(i).keyframe]
    assert reader.keyframe_frames().tolist() == fused
    for i, record in zip(fused, reader.keyframes(), strict=True):
        assert (record.frame, record.submap) == (i, i // FRAMES_PER_SUBMAP)
        np.testing.assert_array_equal(record.depth_m, 1 + i / 8)
    assert len(reader.header.submaps) == -(-n // FRAMES_PER_SUBMAP)
    for submap in reader.submaps():
        latest = min(n, (submap.number + 1) * FRAMES_PER_SUBMAP)
        expected = commit_number(latest)["submaps"][0]
        assert (submap.closed, len(submap.frames)) == (expected.closed, len(expected.frames))
        for name in ("index", "tsdf", "weight", "colour", "label_ids", "label_weights"):
            np.testing.assert_array_equal(getattr(submap.blocks, name), getattr(expected.blocks, name))
    if n:
        state = reader.state()
        assert state["tracker"]["next"].tolist() == [n] and state["scale"]["ratio"] == n / 2
        np.testing.assert_array_equal(state["tracker"]["points"], np.full((n, 3), float(n)))


@pytest.fixture
def nursery():
    """Writers on demand."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command, pipe = [sys.executable, "-m", "tests.mapping.store.crash_writer"], subprocess.PIPE
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        process.stdin.close()


def run_and_kill(nursery: subprocess.Popen[str], path: Path, commits: int, delay_s: float) -> None:
    """Lets a writer finish so many commits at least, and kills it `delay_s` later."""
    enough, deadline = finished(path) + commits, time.monotonic() + 60
    nursery.stdin.write(f"{path}\n")
    nursery.stdin.flush()
    writer = int(nursery.stdout.readline())
    while finished(path) < enough and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(delay_s)
    os.kill(writer, signal.SIGKILL)
    assert nursery.stdout.readline() == "gone\n"
    assert finished(path) >= enough, "the writer committed nothing"


def finished(path: Path) -> int:
    """Commits that returned."""
    mark = path.with_suffix(".mark")
    return mark.stat().st_size if mark.exists() else 0


@pytest.mark.parametrize("seed", range(4))
def test_every_kill_leaves_one_whole_commit(tmp_path, nursery, seed):
    rng = random.Random(seed)
    path = tmp_path / "map.zarr"
    for kill in range(6):
        run_and_kill(nursery, path, rng.choice([0, 1, 1, 2]), rng.uniform(0, 0.1))
        if not is_map(path):  # killed before the first root: nothing was promised
            assert finished(path) == 0
            continue
        reader = open_map(path)
        n = reader.header.progress.next_frame
        # In each run one commit more than was marked may have finished, between its rename and its mark.
        assert finished(path) <= n <= finished(path) + kill + 1
        assert validate_map(path) == []
        assert_is_commit(reader, n)
    with MapWriter.resume(path, StoreSettings(durable=False)) as writer:
        n = writer.progress.next_frame
        writer.commit(**commit_number(n + 1))
        assert_nothing_unnamed(path, writer.header)
    assert validate_map(path) == []
    assert_is_commit(open_map(path), n + 1)


def assert_nothing_unnamed(path: Path, header: MapHeader) -> None:
    assert not list(path.rglob("*.partial"))
    groups = {f"submaps/{folder.name}" for folder in (path / "submaps").glob("[0-9]*")}
    assert groups == {entry.group for entry in header.submaps}
    assert [f"state/{folder.name}" for folder in (path / "state").glob("[0-9]*")] == [header.state]
    for _, array in zarr.open_group(path, mode="r")["keyframes"].arrays():
        assert array.shape[0] == header.keyframes
        assert len(list((path / array.path / "c").iterdir())) == header.keyframes
