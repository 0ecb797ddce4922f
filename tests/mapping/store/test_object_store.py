"""Maps in an object store: written, read, continued, locked and repaired over S3, from a server on this machine."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from mapping.store import MapWriter, StoreSettings, is_map, open_map, validate_map
from mapping.store.lock import LOCK
from mapping.store.place import place_of
from mapping.store.repair import repair_map
from mapping.store.verify import verify_map
from streammtl.errors import StoreError
from tests.mapping.store.test_kill_nine import assert_is_commit
from tests.mapping.store.tiny_maps import commit_number, header

FAST = StoreSettings(durable=False)
pytestmark = pytest.mark.skipif(
    find_spec("obstore") is None or find_spec("moto") is None,
    reason="needs obstore and moto: pip install 'streammtl[remote]' 'moto[s3]' flask flask-cors",
)


@pytest.fixture(scope="module")
def bucket():
    """The URL of an empty bucket."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
        endpoint = f"http://127.0.0.1:{port}"
        make = urllib.request.Request(f"{endpoint}/maps", method="PUT")
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(make).close()
                break
            except OSError:
                assert time.monotonic() < deadline and server.poll() is None, "the server did not start"
                time.sleep(0.1)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_ALLOW_HTTP": "true",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_REGION": "us-east-1",
            }.items():
                patch.setenv(name, value)
            yield "s3://maps"
        server.terminate()


def test_a_map_is_written_read_and_continued_there(bucket):
    url = f"{bucket}/rooms/walk.zarr"
    assert not is_map(url)
    with MapWriter.create(url, header(), FAST) as writer:
        for n in range(1, 6):
            writer.commit(**commit_number(n))
    assert_is_commit(open_map(url), 5)
    with MapWriter.resume(url, FAST) as writer:
        writer.commit(**commit_number(6))
        writer.write_trajectory()
    assert validate_map(url) == [] and verify_map(url).sound
    assert_is_commit(open_map(url), 6)
    summary = open_map(Path(url)).summary()  # pathlib folds the slashes; it is the same place
    assert summary["path"] == url and summary["frames"] == 6 and summary["size_bytes"] > 10_000
    groups = {f"submaps/{name}" for name in place_of(url).children("submaps") if name[0] == "0"}
    assert groups == {entry.group for entry in open_map(url).header.submaps}
    with pytest.raises(StoreError, match="already there"):
        MapWriter.create(url, header(), FAST)


def test_a_commit_that_never_came_leaves_no_trace_for_readers_and_is_removed(bucket):
    url = f"{bucket}/torn.zarr"
    with MapWriter.create(url, header(), FAST) as writer:
        for n in range(1, 4):
            writer.commit(**commit_number(n))
    place = place_of(url)
    place.replace("submaps/000000.9/zarr.json", b"half a group")
    place.replace("keyframes/frame/c/7", b"half a keyframe")
    assert_is_commit(open_map(url), 3)
    assert verify_map(url).leftovers == ("submaps/000000.9",)
    with MapWriter.resume(url, FAST) as writer:
        assert_is_commit(open_map(url), 3)
        writer.commit(**commit_number(4))
    assert_is_commit(open_map(url), 4)
    assert verify_map(url).leftovers == ()


def test_there_is_one_writer(bucket):
    url = f"{bucket}/locked.zarr"
    place = place_of(url)
    with MapWriter.create(url, header(), FAST):
        with pytest.raises(StoreError, match=f"being written by process .* on host {socket.gethostname()}"):
            MapWriter.resume(url, FAST)
        owner = json.loads(place.read(LOCK))
    assert list(place.missing([LOCK], "")) == [LOCK]
    place.replace(LOCK, json.dumps(owner | {"started": "1"}).encode())  # that process died, its id was used again
    MapWriter.resume(url, FAST).close()
    place.replace(LOCK, json.dumps(owner | {"host": "elsewhere", "pid": 7}).encode())
    with pytest.raises(StoreError, match=r"process 7 on host elsewhere.*repair s3://.*locked\.zarr --break-lock"):
        MapWriter.resume(url, FAST)
    assert place.break_lock() == "process 7 on host elsewhere" and place.break_lock() is None
    with MapWriter.resume(url, FAST), pytest.raises(StoreError, match="is being written"):
        place.break_lock()


def test_damage_there_is_found_and_repaired_into_a_folder(bucket, tmp_path):
    url = f"{bucket}/damaged.zarr"
    with MapWriter.create(url, header(), FAST) as writer:
        for n in range(1, 6):
            writer.commit(**commit_number(n))
    place = place_of(url)
    chunk = "submaps/000000.4/weight/c/0/0/0/0"
    place.replace(chunk, place.read(chunk)[:-9] + bytes(9))
    place.remove(["keyframes/K/c/2"])
    found = verify_map(url)
    assert {(p.part, p.number) for p in found.problems} == {("voxels", 0), ("keyframe", 2)}
    repair_map(url, tmp_path / "saved.zarr", FAST)
    saved = open_map(tmp_path / "saved.zarr")
    np.testing.assert_array_equal(saved.submap(1).blocks.tsdf, open_map(url).submap(1).blocks.tsdf)
    assert len(saved) == len(open_map(url)) - 1


def test_places_that_make_no_sense_are_refused(bucket):
    with pytest.raises(StoreError, match="not a place for a map"):
        open_map("ftp://somewhere/map.zarr")
    with pytest.raises(StoreError, match=r"holds no zarr\.json"):
        open_map(f"{bucket}/nothing.zarr")
