"""Whatever is wrong with a map is said in one paragraph, by opening it or by validating it; nothing is made up."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from jsonschema import Draft202012Validator

from mapping.store import MapHeader, MapWriter, StoreSettings, is_map, open_map, validate_map
from mapping.store.arrays import write_array
from mapping.store.contract import published_schema
from mapping.store.root import checksum
from mapping.store.verify import verify_map
from streammtl.errors import StoreError, VersionError
from tests.mapping.store.tiny_maps import commit_number

FAST = StoreSettings(durable=False)


def edit_root(path: Path, change) -> None:
    """Changes the root and seals it again, so that it is the change that shows."""
    document = json.loads((path / "zarr.json").read_text())
    attribute = document["attributes"]["streammtl"]
    change(attribute)
    attribute["checksum"] = checksum(attribute)
    (path / "zarr.json").write_text(json.dumps(document))


def test_the_published_schema_is_a_schema_and_knows_every_field_of_the_header():
    Draft202012Validator.check_schema(published_schema())
    names = {field.alias or name for name, field in MapHeader.model_fields.items()}
    assert set(published_schema()["properties"]) == names == set(published_schema()["required"])


@pytest.mark.parametrize("open_it", [open_map, validate_map, MapWriter.resume])
def test_what_is_no_map_is_called_so(tmp_path, open_it):
    (tmp_path / "file").write_text("a text file")
    (tmp_path / "empty").mkdir()
    zarr.open_group(tmp_path / "foreign", mode="w")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "zarr.json").write_text('{"attributes": {"streammtl": {')
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "zarr.json").write_text("[1]")
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "zarr.json").write_bytes(bytes(range(256)))
    for name, words in {
        "absent": "does not exist",
        "file": "is a file",
        "empty": "holds no zarr.json",
        "foreign": "not a map of ours",
        "torn": "damaged",
        "list": "not a map of ours",
        "binary": "damaged",
    }.items():
        with pytest.raises(StoreError, match=words) as caught:
            open_it(tmp_path / name)
        assert "\n" not in str(caught.value) and str(tmp_path / name) in str(caught.value)
    assert not (tmp_path / "absent").exists()
    assert [is_map(tmp_path / name) for name in ("absent", "file", "empty", "torn")] == [False, False, False, True]


@pytest.mark.parametrize("open_it", [open_map, validate_map, MapWriter.resume])
def test_a_newer_map_is_refused_untouched(path, open_it):
    edit_root(path, lambda root: root.update(version=3, submaps="elsewhere"))
    before = (path / "zarr.json").read_bytes()
    with pytest.raises(VersionError, match=r"version 3; this software reads up to version 2.*newer streammtl"):
        open_it(path)
    assert (path / "zarr.json").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda root: root.pop("voxel_size_m"), "voxel_size_m"),
        (lambda root: root.update(voxel_size_m=-1), "voxel_size_m"),
        (lambda root: root.update(version="one"), "version"),
        (lambda root: root.update(keyframes=-1), "keyframes"),
        (lambda root: root.update(state="../../etc"), "state"),
        (lambda root: root.update(surface="/etc"), "surface"),
        (lambda root: root["submaps"][0].update(group="submaps/../../x.1"), "submap"),
        (lambda root: root["submaps"][0].update(group="submaps/000001.1"), "submap 0 names"),
        (lambda root: root["submaps"][1].update(root["submaps"][0]), "twice"),
        (lambda root: root["submaps"][0].update(T_world_submap=[[float("nan")] * 4] * 4), "T_world_submap"),
        (
            lambda root: root["submaps"][0].update(
                T_world_submap=[[2.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]
            ),
            "without scale",
        ),
    ],
)
def test_a_damaged_root_is_refused_by_readers_and_writers_and_reported(path, change, words):
    edit_root(path, change)
    for open_it in (open_map, MapWriter.resume):
        with pytest.raises(StoreError, match=words):
            open_it(path)
    if words != "version":
        assert any(words.split()[0] in problem for problem in validate_map(path))


def rewrite(path: Path, name: str, **metadata) -> None:
    file = path / name / "zarr.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | metadata))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: shutil.rmtree(path / "submaps/000000.4"), "submaps/000000.4 is named by the root"),
        (lambda path: shutil.rmtree(path / "submaps/000000.4/tsdf"), "tsdf is missing"),
        (lambda path: (path / "submaps/000000.4/tsdf/c/0/0/0/0").unlink(), "tsdf/c/0/0/0/0 is gone"),
        (lambda path: shutil.rmtree(path / "submaps/000000.4/frames"), "frames is named"),
        (lambda path: rewrite(path, "submaps/000000.4/weight", data_type="float32"), "has type float32"),
        (lambda path: rewrite(path, "submaps/000000.4/colour", shape=[4, 8, 8, 8, 4]), "expected 3"),
        (lambda path: rewrite(path, "submaps/000000.4/tsdf", shape=[10**12, 8, 8, 8]), "which no map needs"),
        (lambda path: (path / "submaps/000000.4/weight/zarr.json").write_text("{"), "weight is damaged"),
        (lambda path: edit_root(path, lambda root: root["submaps"][0].update(blocks=5)), "expected 5"),
        (lambda path: edit_root(path, lambda root: root.update(keyframes=99)), "expected 99"),
        (lambda path: shutil.rmtree(path / "keyframes"), "keyframes group is gone"),
        (lambda path: (path / "keyframes/jpeg/c/2/0").unlink(), "keyframes/jpeg/c/2/0 is gone"),
        (lambda path: shutil.rmtree(path / "labels"), "labels is named"),
        (lambda path: shutil.rmtree(path / "trajectory"), "trajectory/12 is named"),
        (lambda path: shutil.rmtree(path / "state"), "state/11 is named"),
    ],
)
def test_validation_finds_damage(path, damage, words):
    assert validate_map(path) == []
    damage(path)
    problems = validate_map(path)
    assert any(re.search(words, problem) for problem in problems), problems


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: edit_root(path, lambda root: root["submaps"].pop()), r"keyframes name submaps \[2\]"),
        (
            lambda path: zarr.open_group(path)["submaps/000000.4/block_index"].__setitem__(slice(0, 2), 7),
            "a block twice",
        ),
        (lambda path: zarr.open_group(path)["submaps/000000.4/block_index"].__setitem__(0, 1 << 21), "out of reach"),
        (lambda path: zarr.open_group(path)["keyframes/frame"].__setitem__(slice(0, 2), 3), "a keyframe twice"),
    ],
)
def test_verification_finds_numbers_that_contradict_each_other(path, damage, words):
    damage(path)
    problems = [str(problem) for problem in verify_map(path).problems]
    assert any(re.search(words, problem) for problem in problems), problems


def test_a_lost_or_garbled_file_is_an_error_not_zeros(path):
    """Plain Zarr reads an absent chunk as zeros: voxels that look empty."""
    (path / "submaps/000000.4/tsdf/c/0/0/0/0").unlink()
    garbled = path / "submaps/000002.2/weight/c/0/0/0/0"
    garbled.write_bytes(garbled.read_bytes()[: garbled.stat().st_size // 2])
    (path / "keyframes/depth_m/c/1/0/0").unlink()
    (path / "keyframes/jpeg/c/2/0").write_bytes(b"no blosc")
    reader = open_map(path)
    for read in (
        lambda: reader.submap(0),
        lambda: reader.submap(2),
        lambda: reader.keyframe(1),
        lambda: reader.keyframe(2),
    ):
        with pytest.raises(StoreError, match="damaged"):
            read()
    assert reader.keyframe(0).frame == 0  # the rest is still there


def test_what_is_not_in_the_map_is_named(path):
    reader = open_map(path)
    with pytest.raises(StoreError, match=r"submap 9 is not in the map .*\[0, 1, 2\]"):
        reader.submap(9)
    with pytest.raises(StoreError, match="keyframe 8 is not in the map"):
        reader.keyframe(8)


def test_leftovers_of_a_crash_are_ignored_by_readers_and_removed_by_the_next_writer(path):
    shutil.copytree(path / "submaps/000002.2", path / "submaps/000002.3")
    shutil.copytree(path / "submaps/000002.2", path / "submaps/000003.1")
    shutil.copytree(path / "state/11", path / "state/12")
    (path / "surface/13").mkdir(parents=True)
    for litter in (
        "zarr.123.partial",
        "zarr.root.partial",
        "state/zarr.4.partial",
        "labels/zarr.4.partial",
        "keyframes/frame/c/7.abc.partial",
    ):
        (path / litter).write_bytes(b"x")
    group = zarr.open_group(path)
    group["keyframes/frame"].resize((12,))
    group["keyframes/frame"][11] = 77
    reader = open_map(path)
    assert validate_map(path) == []
    assert [len(submap.blocks) for submap in reader.submaps()] == [4, 4, 2] and len(list(reader.keyframes())) == 8
    with MapWriter.resume(path, FAST) as writer:
        assert not (path / "submaps/000002.3").exists() and not (path / "submaps/000003.1").exists()
        assert (
            not (path / "state/12").exists()
            and not (path / "surface/13").exists()
            and not list(path.rglob("*.partial"))
        )
        assert zarr.open_group(path)["keyframes/frame"].shape == (8,)
        writer.commit(**commit_number(11))
    assert validate_map(path) == []
    np.testing.assert_array_equal(open_map(path).keyframe_frames(), [0, 1, 2, 4, 5, 6, 7, 9, 10])


@pytest.mark.parametrize(
    "layout",
    [
        b"{",
        b"7",
        b'[["next", "<i8", [2]]]',
        b'[["next", "<i8", [-1]]]',
        b'[["next", "|O", [1]]]',
        b'[["next", "<i8", [1000000000000]]]',
        b'[["next", "nonsense", [1]]]',
        b'[["next", "<i8"]]',
        b"[]",
    ],
)
def test_a_state_that_its_layout_does_not_fit_is_refused(path, layout):
    group = zarr.open_group(path, mode="r+")[f"{open_map(path).header.state}/tracker"]
    del group["layout"]
    write_array(group, "layout", np.frombuffer(layout, np.uint8))
    with pytest.raises(StoreError, match=r"damaged: state/.*streammtl repair"):
        open_map(path).state()
