"""Damage of every kind is found and named; what is good is saved; the damaged map is left as it is."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from mapping.store import MapWriter, StoreSettings, open_map, validate_map
from mapping.store.repair import repair_map
from mapping.store.verify import verify_map
from streammtl.errors import StoreError, VersionError
from tests.mapping.store.tiny_maps import commit_number, header

FAST = StoreSettings(durable=False)


def flip(file: Path, at: int = -20) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 0x10
    file.write_bytes(data)


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def assert_same_submap(path: Path, other: Path, number: int) -> None:
    a, b = open_map(path).submap(number), open_map(other).submap(number)
    for name in ("index", "tsdf", "weight", "colour", "label_ids", "label_weights"):
        np.testing.assert_array_equal(getattr(a.blocks, name), getattr(b.blocks, name))
    np.testing.assert_array_equal(a.T_world_submap, b.T_world_submap)
    assert [frame.index for frame in a.frames] == [frame.index for frame in b.frames]
    assert (a.component, a.closed) == (b.component, b.closed)


def test_a_sound_map_is_called_so_and_not_repaired(path, tmp_path):
    found = verify_map(path)
    assert found.sound and found.leftovers == () and found.arrays_without_checksum == 0
    assert found.good() == {"submaps": 3, "submaps_of": 3, "keyframes": 8, "keyframes_of": 8}
    assert repair_map(path, tmp_path / "new.zarr", FAST).out is None
    assert not (tmp_path / "new.zarr").exists()


LOOKED_AT_FIRST = ("/block_index/", "keyframes/frame/", "keyframes/submap/")


@pytest.mark.parametrize("first", [False, True])
def test_no_flipped_bit_of_a_chunk_passes_for_data(path, first):
    """Where the arrays looked at first are damaged, the others beside them are of no use and not looked at."""
    rng = random.Random(3)
    chunks = [str(file.relative_to(path)) for file in path.rglob("*") if file.is_file() and "c" in file.parts]
    chunks = [chunk for chunk in chunks if any(name in chunk for name in LOOKED_AT_FIRST) == first]
    arrays = {chunk.partition("/c/")[0].removesuffix("/c") for chunk in chunks}
    assert len(arrays) == (5 if first else 59)
    for chunk in chunks:
        flip(path / chunk, rng.randrange((path / chunk).stat().st_size))
    said = [str(problem) for problem in verify_map(path).problems]
    assert [array for array in arrays if not any(array in text for text in said)] == []
    entries = {f"keyframes/{'frame' if first else 'jpeg'}/c/{i}" for i in range(8)}
    assert entries <= {text.partition(" ")[0] for text in said}


def test_leftovers_are_named_as_harmless(path):
    shutil.copytree(path / "submaps/000001.4", path / "submaps/000001.5")
    found = verify_map(path)
    assert found.sound and found.leftovers == ("submaps/000001.5",)


def test_a_flipped_chunk_costs_its_voxels_alone(path, tmp_path, sound):
    flip(path / "submaps/000001.4/tsdf/c/0/0/0/0")
    before = contents(path)
    found = verify_map(path)
    assert [(p.part, p.number) for p in found.problems] == [("voxels", 1)]
    assert "submaps/000001.4/tsdf/c/0" in str(found.problems[0])
    with pytest.raises(StoreError, match=r"damaged: submaps/000001\.4.*streammtl repair"):
        open_map(path).submap(1)
    done = repair_map(path, tmp_path / "new.zarr", FAST)
    assert done.lost == ("4 blocks of submap 1; its keyframes are there to fuse it again",)
    assert contents(path) == before
    new = tmp_path / "new.zarr"
    assert verify_map(new).sound and len(open_map(new).submap(1).blocks) == 0
    for number in (0, 2):
        assert_same_submap(new, sound, number)
    a, b = open_map(new), open_map(sound)
    assert [a.keyframe_jpeg(i) for i in range(8)] == [b.keyframe_jpeg(i) for i in range(8)]
    np.testing.assert_array_equal(a.trajectory().T_world_cam, b.trajectory().T_world_cam)
    assert a.state()["tracker"]["next"] == [10]
    with MapWriter.resume(new, FAST) as writer:  # and the run goes on
        writer.commit(**commit_number(11))
    assert verify_map(new).sound


def test_lost_frames_come_back_from_keyframes(path, tmp_path, sound):
    (path / "submaps/000000.4/frames/T_submap_cam/zarr.json").write_text('{"zarr_fo')
    assert {(p.part, p.number) for p in verify_map(path).problems} == {("frames", 0)}
    assert open_map(path).summary()["frames"] == 10  # the derived trajectory still has them
    with MapWriter.resume(path, FAST) as writer:
        writer.commit(header=header(10))  # which drops what is derived
    assert open_map(path).summary()["frames"] == 6  # info says what it can
    done = repair_map(path, tmp_path / "new.zarr", FAST)
    assert done.lost == ("1 of 4 frames of submap 0",)
    saved, whole = open_map(done.out).submap(0), open_map(sound).submap(0)
    assert [frame.index for frame in saved.frames] == [0, 1, 2]
    for back, frame in zip(saved.frames, whole.frames, strict=False):
        np.testing.assert_array_equal(back.T_submap_cam, frame.T_submap_cam)
    np.testing.assert_array_equal(saved.blocks.tsdf, whole.blocks.tsdf)


def test_a_lost_keyframe_leaves_the_others(path, tmp_path):
    (path / "keyframes/depth_m/c/2/0/0").unlink()
    flip(path / "keyframes/jpeg/c/5/0")
    found = verify_map(path)
    assert {(p.part, p.number) for p in found.problems} == {("keyframe", 2), ("keyframe", 5)}
    done = repair_map(path, tmp_path / "new.zarr", FAST)
    kept = [frame for i, frame in enumerate(open_map(path).keyframe_frames().tolist()) if i not in (2, 5)]
    assert open_map(done.out).keyframe_frames().tolist() == kept and verify_map(done.out).sound
    assert [record.frame for record in open_map(done.out).keyframes()] == kept
    assert done.lost == ("2 of 8 keyframes",)


def test_absurd_shapes_are_found_by_their_description(path, tmp_path):
    file = path / "submaps/000002.2/weight/zarr.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"shape": [10**12, 8, 8, 8]}))
    assert "which no map needs" in str(verify_map(path).problems[0])
    assert open_map(repair_map(path, tmp_path / "new.zarr", FAST).out).header.submaps[2].blocks == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda root: root.write_bytes(root.read_bytes()[:200]),
        lambda root: root.unlink(),
        lambda root: flip(root, root.read_bytes().index(b'"T_world_submap":[[') + 20),  # a number: JSON all the same
        lambda root: root.write_bytes(bytes(300)),
    ],
)
def test_a_damaged_root_is_read_from_its_spare(path, tmp_path, sound, damage):
    damage(path / "zarr.json")
    with pytest.raises(StoreError, match=r"damaged.*streammtl repair"):
        open_map(path)
    found = verify_map(path)
    assert found.at_spare_root and {p.part for p in found.problems} == {"root"}
    done = repair_map(path, tmp_path / "new.zarr", FAST)
    assert done.lost == () and verify_map(done.out).sound
    for number in range(3):
        assert_same_submap(tmp_path / "new.zarr", sound, number)
    assert open_map(done.out).state()["tracker"]["next"] == [10]


def test_without_any_root_nothing_is_made_up(path, tmp_path):
    flip(path / "zarr.json", 0)
    (path / "spare/zarr.json").unlink()
    assert not verify_map(path).sound and verify_map(path).good() == {}
    with pytest.raises(StoreError, match=r"cannot be repaired.*restore its zarr\.json"):
        repair_map(path, tmp_path / "new.zarr", FAST)
    assert not (tmp_path / "new.zarr").exists()


def test_lost_state_ends_the_run_and_says_so(path, tmp_path):
    shutil.rmtree(path / "state")
    done = repair_map(path, tmp_path / "new.zarr", FAST)
    assert "--resume" in done.lost[0] and "merge" in done.lost[0]
    assert open_map(done.out).header.progress.complete and open_map(done.out).state() == {}


def test_a_newer_map_and_what_is_no_map_are_refused(path, tmp_path):
    root = json.loads((path / "zarr.json").read_text())
    root["attributes"]["streammtl"]["version"] = 9
    (path / "zarr.json").write_text(json.dumps(root))
    for act in (verify_map, repair_map):
        with pytest.raises(VersionError, match="newer streammtl"):
            act(path)
        with pytest.raises(StoreError, match="does not exist"):
            act(tmp_path / "absent")


def test_repair_takes_no_place_that_is_taken(path, sound, tmp_path):
    flip(path / "submaps/000001.4/tsdf/c/0/0/0/0")
    other = shutil.copytree(sound, tmp_path / "other.zarr")
    before = contents(other)
    with pytest.raises(StoreError, match="already there"):
        repair_map(path, other, FAST)
    assert contents(other) == before and validate_map(other) == []
