"""One writer at a time, and nothing that is there is harmed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mapping.records import Submap
from mapping.store import LabelSpaceRecord, MapWriter, StoreSettings, open_map, validate_map
from streammtl.errors import StoreError
from tests.mapping.store.tiny_maps import blocks, commit_number, header, keyframe

FAST = StoreSettings(durable=False)
REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def path(tmp_path):
    with MapWriter.create(tmp_path / "map.zarr", header(), FAST) as writer:
        writer.commit(**commit_number(1))
    return tmp_path / "map.zarr"


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_second_writer_is_refused_and_told_who_the_first_is(path):
    with (
        MapWriter.resume(path, FAST),
        pytest.raises(StoreError, match=f"process {os.getpid()} on host {socket.gethostname()}"),
    ):
        MapWriter.resume(path, FAST)
    MapWriter.resume(path, FAST).close()


def test_a_writer_in_another_process_is_refused(path):
    code = f"from mapping.store import MapWriter\nMapWriter.resume({str(path)!r})"
    with MapWriter.resume(path, FAST) as writer:
        before = contents(path)
        run = subprocess.run(
            [sys.executable, "-c", code],
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            check=False,
        )
        assert run.returncode != 0 and f"being written by process {os.getpid()}" in run.stderr.decode()
        assert contents(path) == before
        writer.commit(**commit_number(2))


def test_the_lock_of_a_killed_process_is_taken_over(path):
    lock = path / "writer.lock"
    lock.write_text(json.dumps({"host": socket.gethostname(), "pid": 2**22 + 1}))
    with MapWriter.resume(path, FAST):
        assert json.loads(lock.read_text())["pid"] == os.getpid()
    assert not lock.exists()


def test_the_lock_of_another_host_is_respected(path):
    (path / "writer.lock").write_text(json.dumps({"host": "elsewhere", "pid": 7}))
    with pytest.raises(StoreError, match=r"process 7 on host elsewhere.*streammtl repair .*map\.zarr --break-lock"):
        MapWriter.resume(path, FAST)


def test_a_forked_child_does_not_keep_the_lock_of_its_dead_parent(path):
    """Decoders and workers may outlive a killed writer."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    parent = context.Process(target=_write_with_a_child, args=(path, send))
    parent.start()
    child = receive.recv()
    os.kill(parent.pid, signal.SIGKILL)
    parent.join()
    try:
        os.kill(child, 0)  # it lives
        MapWriter.resume(path, FAST).close()
    finally:
        os.kill(child, signal.SIGKILL)


def _write_with_a_child(path, send):
    writer = MapWriter.resume(path, FAST)
    if os.fork() == 0:
        send.send(os.getpid())  # only once it runs has it let go
        signal.pause()
    signal.pause()
    writer.close()


def test_an_existing_path_is_refused_and_left_as_it_is(path, tmp_path):
    before = contents(path)
    with pytest.raises(StoreError, match=r"already there.*--resume"):
        MapWriter.create(path, header(), FAST)
    assert contents(path) == before
    (tmp_path / "file.zarr").write_text("x")
    (tmp_path / "folder.zarr").mkdir()
    (tmp_path / "folder.zarr" / "photo.jpg").write_text("x")
    for name in ("file.zarr", "folder.zarr"):
        with pytest.raises(StoreError, match="already there"):
            MapWriter.create(tmp_path / name, header(), FAST)
    assert (tmp_path / "file.zarr").read_text() == "x"
    assert [file.name for file in (tmp_path / "folder.zarr").iterdir()] == ["photo.jpg"]


def test_an_empty_folder_may_become_a_map(tmp_path):
    (tmp_path / "map.zarr").mkdir()
    MapWriter.create(tmp_path / "map.zarr", header(), FAST).close()
    assert validate_map(tmp_path / "map.zarr") == []


def test_a_closed_writer_writes_no_more(path):
    writer = MapWriter.resume(path, FAST)
    writer.close()
    writer.close()
    with pytest.raises(StoreError, match="closed"):
        writer.commit(**commit_number(2))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"header": header(2, voxel_size_m=0.04)}, "voxel_size_m 0.02, now 0.04"),
        (
            {"header": header(2, label_space=LabelSpaceRecord(name="other", version="3"))},
            "labels of test, version 1; other, version 3",
        ),
        ({"keyframes": [keyframe(5, submap=9)]}, "submap 9, which is not in the map"),
        ({"keyframes": [keyframe(5, size=(48, 64))]}, "one map holds one image size"),
        ({"submaps": [Submap(4, 0, np.full((4, 4), np.nan), blocks(1, 1))]}, "finite 4x4"),
        ({"anchors": {0: 2 * np.eye(4)}}, "submap 0 cannot be moved"),
        ({"anchors": {8: np.eye(4)}}, "submap 8 cannot be moved"),
        ({"state": {"../x": {"a": np.zeros(1)}}}, "no name for an array"),
        ({"state": {"tracker": {"a": np.array(["text"])}}}, "only numbers"),
    ],
)
def test_a_commit_that_makes_no_sense_is_refused_and_changes_nothing(path, arguments, words):
    with MapWriter.resume(path, FAST) as writer:
        before = contents(path)
        with pytest.raises(StoreError, match=words):
            writer.commit(**(commit_number(2) | arguments))
        assert validate_map(path) == []
        assert contents(path).keys() <= before.keys()
        assert open_map(path).header.progress.next_frame == 1
        writer.commit(**commit_number(2))  # and the right one still goes through
    assert open_map(path).header.progress.next_frame == 2 and validate_map(path) == []


def test_keyframes_whose_arrays_do_not_belong_together_are_refused(path):
    wrong = keyframe(2)
    wrong.confidence = wrong.confidence[:-1]
    lost = keyframe(2)
    lost.T_submap_cam = np.full((4, 4), np.nan)
    small = keyframe(2)
    small.image = small.image[:-1]
    with MapWriter.resume(path, FAST) as writer:
        for record, words in ((wrong, "must be one"), (lost, "no finite 4x4 pose"), (small, "expected u8")):
            with pytest.raises(StoreError, match=words):
                writer.commit(keyframes=[record])
    assert len(open_map(path)) == 1
