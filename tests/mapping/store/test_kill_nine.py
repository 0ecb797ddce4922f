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
import zarr

from mapping.store import MapHeader, MapReader, MapWriter, StoreSettings, open_map, validate_map
from tests.mapping.store.tiny_maps import FRAMES_PER_SUBMAP, commit_number, frame

KILLS = 20
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


def start(path: Path, mark: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "tests.mapping.store.crash_writer", str(path), str(mark)]
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE)


def size_of(mark: Path) -> int:
    return mark.stat().st_size if mark.exists() else 0


def kill_after_another_commit(process: subprocess.Popen[bytes], mark: Path, delay_s: float) -> None:
    before, deadline = size_of(mark), time.monotonic() + 60
    while size_of(mark) == before and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read().decode()
        time.sleep(0.001)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()


def test_every_kill_leaves_one_whole_commit(tmp_path):
    rng = random.Random(0)
    path, mark = tmp_path / "map.zarr", tmp_path / "mark"
    for _ in range(KILLS):
        kill_after_another_commit(start(path, mark), mark, rng.uniform(0, 0.15))
        reader = open_map(path)
        n = reader.header.progress.next_frame
        # One commit more than was marked may have finished between its rename and its mark, in each run.
        assert size_of(mark) <= n <= size_of(mark) + KILLS
        assert validate_map(path) == []
        assert_is_commit(reader, n)
    with MapWriter.resume(path, StoreSettings(durable=False)) as writer:
        n = writer.progress.next_frame
        assert_nothing_unnamed(path, writer.header)
        writer.commit(**commit_number(n + 1))
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
