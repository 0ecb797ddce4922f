"""Maps of older layout versions open, go on, and can be written anew; newer ones are refused (test_bad_maps.py)."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from mapping.store import MapWriter, StoreSettings, open_map, validate_map
from mapping.store.migrate import migrate_map
from mapping.store.verify import verify_map
from streammtl.errors import StoreError
from tests.mapping.store.tiny_maps import commit_number, header

FAST = StoreSettings(durable=False)


@pytest.fixture
def version_1(tmp_path):
    """Six commits as the software wrote them when layouts had version 1."""
    path = tmp_path / "old.zarr"
    with zipfile.ZipFile(Path(__file__).with_name("version_1.zip")) as archive:
        archive.extractall(path)
    return path


@pytest.fixture
def today(tmp_path):
    with MapWriter.create(tmp_path / "today.zarr", header(), FAST) as writer:
        for n in range(1, 7):
            writer.commit(**commit_number(n))
        writer.write_trajectory()
    return tmp_path / "today.zarr"


def assert_equal_maps(a, b):
    a, b = open_map(a), open_map(b)
    for left, right in zip(a.submaps(), b.submaps(), strict=True):
        for name, array in vars(left.blocks).items():
            np.testing.assert_array_equal(array, getattr(right.blocks, name))
        assert [frame.index for frame in left.frames] == [frame.index for frame in right.frames]
    for i in range(len(b)):
        assert a.keyframe_jpeg(i) == b.keyframe_jpeg(i)
        np.testing.assert_array_equal(a.keyframe(i).depth_m, b.keyframe(i).depth_m)
    np.testing.assert_array_equal(a.trajectory().T_world_cam, b.trajectory().T_world_cam)
    assert {stage: list(arrays) for stage, arrays in a.state().items()} == {
        stage: list(arrays) for stage, arrays in b.state().items()
    }


def test_an_older_map_reads_as_if_written_today(version_1, today):
    assert '"version":1' in (version_1 / "zarr.json").read_text()
    assert validate_map(version_1) == []
    assert_equal_maps(version_1, today)
    found = verify_map(version_1)
    assert found.sound and found.arrays_without_checksum == found.arrays > 40


def test_an_older_map_is_continued(version_1):
    with MapWriter.resume(version_1, FAST) as writer:
        writer.commit(**commit_number(7))
    assert '"version":2' in (version_1 / "zarr.json").read_text()
    found = verify_map(version_1)
    assert found.sound and 0 < found.arrays_without_checksum < found.arrays
    assert open_map(version_1).header.progress.next_frame == 7


def test_an_older_map_is_written_anew(version_1, today, tmp_path):
    before = {file: file.read_bytes() for file in version_1.rglob("*") if file.is_file()}
    migrate_map(version_1, tmp_path / "new.zarr", FAST)
    assert {file: file.read_bytes() for file in version_1.rglob("*") if file.is_file()} == before
    found = verify_map(tmp_path / "new.zarr")
    assert found.sound and found.arrays_without_checksum == 0
    assert_equal_maps(tmp_path / "new.zarr", today)
    assert open_map(tmp_path / "new.zarr").header.model_extra == {}
    with pytest.raises(StoreError, match="nothing to migrate"):
        migrate_map(tmp_path / "new.zarr", tmp_path / "again.zarr", FAST)
