"""Full disks and places where nothing can be written: the last commit stays, the message says so, work can go on."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mapping.records import Submap
from mapping.store import MapWriter, StoreSettings, open_map, validate_map
from streammtl.errors import StoreError
from tests.mapping.store.tiny_maps import blocks, commit_number, header, keyframe

FAST = StoreSettings(durable=False)
REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB, or a skip where this user may not mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no small file system can be mounted here: {error}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def big_submap(number: int) -> Submap:
    grid = blocks(600, 1)
    grid.tsdf[:] = np.random.default_rng(number).uniform(-1, 1, grid.tsdf.shape)
    return Submap(number, 0, np.eye(4), grid, closed=True)


def free_bytes(disk: Path) -> int:
    return os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize


def test_a_full_disk_stops_a_commit_and_leaves_the_last_one(small_disk):
    path = small_disk / "map.zarr"
    with MapWriter.create(path, header(), FAST) as writer:
        writer.commit(**commit_number(1))
        with pytest.raises(StoreError, match=r"disk is full.*last commit is intact.*--resume"):
            for n in range(10, 30):
                room = free_bytes(small_disk)
                writer.commit(submaps=[big_submap(n)], keyframes=[keyframe(n, n)], header=header(n))
        reached = writer.progress.next_frame
        assert validate_map(path) == [] and open_map(path).header.progress.next_frame == reached
        assert free_bytes(small_disk) == room  # what the failed commit had written is given back
        writer.commit(header=header(reached + 1))  # a small commit still fits
    for submap in open_map(path).submaps():
        if submap.number >= 10:
            assert np.abs(submap.blocks.tsdf - big_submap(submap.number).blocks.tsdf).max() < 1e-3
    with MapWriter.resume(path, FAST) as writer:
        assert writer.progress.next_frame == reached + 1


def test_no_room_for_even_a_new_map_is_said(small_disk):
    (small_disk / "filler").write_bytes(bytes(free_bytes(small_disk)))
    with pytest.raises(StoreError, match=r"disk is full|cannot be written"):
        MapWriter.create(small_disk / "map.zarr", header(), FAST)


def write_under_a_file_size_limit(path: Path) -> None:
    """Run in a process of its own: files above 200 kB fail half-way through, as on a full disk."""
    writer = MapWriter.create(path, header(), FAST)
    writer.commit(**commit_number(1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    noisy = keyframe(1, 0)
    try:
        writer.commit(submaps=[big_submap(1)], keyframes=[noisy], header=header(2))
    except StoreError as error:
        print(error)
    writer.commit(**commit_number(2))
    writer.close()


def test_a_write_that_fails_half_way_is_taken_back(tmp_path):
    path = tmp_path / "map.zarr"
    code = f"from tests.mapping.store.test_disk_trouble import *\nwrite_under_a_file_size_limit(Path({str(path)!r}))"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "disk is full" in run.stdout
    assert validate_map(path) == []
    reader = open_map(path)
    assert [entry.group for entry in reader.header.submaps] == [
        "submaps/000000.2"
    ] and reader.keyframe_frames().tolist() == [0, 1]
    assert not list(path.rglob("*.partial")) and not list((path / "submaps").glob("000001*"))


@pytest.mark.parametrize("place", ["/proc/map.zarr", "file/map.zarr", "file/deeper/map.zarr"])
def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path, place):
    """Root may write nearly everywhere, but not below a regular file and not in /proc."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"cannot be written: .*Choose a folder"):
        MapWriter.create(tmp_path / place, header(), FAST)
    assert (tmp_path / "file").read_text() == "x"


def test_durable_commits_leave_the_same_map(tmp_path):
    with MapWriter.create(tmp_path / "deep" / "map.zarr", header(), StoreSettings(durable=True)) as writer:
        for n in range(1, 6):
            writer.commit(**commit_number(n))
    assert validate_map(tmp_path / "deep" / "map.zarr") == []
    assert open_map(tmp_path / "deep" / "map.zarr").keyframe_frames().tolist() == [0, 1, 2, 4]
