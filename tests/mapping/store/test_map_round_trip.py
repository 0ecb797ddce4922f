"""What is committed comes back, and plain Zarr reads all of it."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import cv2
import numpy as np
import pytest
import zarr

from mapping.fusion.precision import from_stored, to_stored
from mapping.records import Submap
from mapping.slam.tracked import TrackStatus
from mapping.store import MapWriter, Progress, ScaleRecord, StoreSettings, open_map, validate_map
from streammtl.errors import StoreError
from streammtl.views import ScaleStatus
from tests.mapping.store.tiny_maps import LABELS, blocks, commit_number, frame, header, keyframe, pose

FAST = StoreSettings(durable=False)


def test_blocks_come_back_as_stored_precision_has_them(tmp_path):
    rng = np.random.default_rng(1)
    grid = blocks(5, 1)
    grid.tsdf = rng.uniform(-1, 1, grid.tsdf.shape).astype(np.float32)
    grid.label_weights = rng.uniform(0, 64, grid.label_weights.shape).astype(np.float32)
    expected = from_stored(to_stored(grid))
    with MapWriter.create(tmp_path / "map.zarr", header(), FAST) as writer:
        writer.commit(submaps=[Submap(0, 0, pose(1.6, yaw=0.3), grid, [frame(0)], closed=True)])
    back = open_map(tmp_path / "map.zarr").submap(0)
    for name in ("index", "tsdf", "weight", "colour", "label_ids", "label_weights"):
        np.testing.assert_array_equal(getattr(back.blocks, name), getattr(expected, name))
        assert getattr(back.blocks, name).dtype == getattr(expected, name).dtype
    np.testing.assert_array_equal(back.T_world_submap, pose(1.6, yaw=0.3))
    assert back.closed


def test_blocks_that_fill_several_shards_come_back(tmp_path):
    grid = blocks(37, 3)
    grid.tsdf[:] = np.arange(37)[:, None, None, None] / 64
    with MapWriter.create(
        tmp_path / "m.zarr", header(), StoreSettings(blocks_per_chunk=4, blocks_per_shard=8)
    ) as writer:
        writer.commit(submaps=[Submap(0, 0, np.eye(4), grid)])
    assert len(list((tmp_path / "m.zarr/submaps/000000.1/tsdf/c").iterdir())) == 5
    np.testing.assert_array_equal(open_map(tmp_path / "m.zarr").submap(0).blocks.tsdf, grid.tsdf)
    assert validate_map(tmp_path / "m.zarr") == []


def test_the_confidence_of_poses_comes_back_with_frames_and_trajectory(tmp_path):
    records = [replace(frame(0), confidence=0.75), frame(1)]
    with MapWriter.create(tmp_path / "m.zarr", header(), FAST) as writer:
        writer.commit(submaps=[Submap(0, 0, np.eye(4), blocks(1, 1), records)])
        reader = open_map(tmp_path / "m.zarr")
        joined = reader.trajectory()
        writer.write_trajectory()
    told = [[r.confidence for r in reader.frames_of(0)], joined.confidence]
    for confidence in (*told, open_map(tmp_path / "m.zarr").trajectory().confidence):
        np.testing.assert_array_equal(confidence, [0.75, np.nan])


def test_frames_come_back_with_their_statuses(path):
    frames = [record for submap in open_map(path).submaps() for record in submap.frames]
    assert [record.index for record in frames] == list(range(10))
    for record in frames:
        expected = frame(record.index)
        assert (record.timestamp_s, record.status, record.keyframe) == (
            expected.timestamp_s,
            expected.status,
            expected.keyframe,
        )
        assert record.scale_status is ScaleStatus.METRIC
        np.testing.assert_array_equal(record.T_submap_cam, expected.T_submap_cam)


def test_keyframes_come_back_within_the_precision_of_their_types(tmp_path):
    rng = np.random.default_rng(2)
    records = [keyframe(i, 0, (48, 64)) for i in range(3)]
    for record in records:
        record.depth_m = rng.uniform(0, 8, (30, 40)).astype(np.float32)
        record.confidence = rng.uniform(0, 1, (30, 40)).astype(np.float32)
        record.label_ids = rng.integers(0, 41, (30, 40)).astype(np.uint8)
    with MapWriter.create(tmp_path / "map.zarr", header(), FAST) as writer:
        writer.commit(submaps=[Submap(0, 0, np.eye(4), blocks(0, 0))], keyframes=records[:2])
        writer.commit(keyframes=records[2:])
    for record, back in zip(records, open_map(tmp_path / "map.zarr").keyframes(), strict=True):
        assert (back.frame, back.timestamp_s, back.submap, back.camera) == (
            record.frame,
            record.timestamp_s,
            0,
            record.camera,
        )
        np.testing.assert_array_equal(back.T_submap_cam, record.T_submap_cam)
        np.testing.assert_allclose(back.depth_m, record.depth_m, rtol=2**-11)
        np.testing.assert_allclose(back.confidence, record.confidence, atol=0.5 / 255 + 1e-6)
        np.testing.assert_array_equal(back.label_ids, record.label_ids)
        np.testing.assert_allclose(back.image.astype(int), record.image, atol=2)


def test_the_jpeg_of_a_keyframe_is_the_image_it_decodes_to(path):
    reader = open_map(path)
    decoded = cv2.imdecode(np.frombuffer(reader.keyframe_jpeg(3), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decoded[..., ::-1], reader.keyframe(3).image)


def test_images_of_later_keyframes_may_take_more_room(tmp_path):
    """JPEG rows are padded to the longest one; noise compresses a hundred times worse than a flat image."""
    noisy = keyframe(1, 0, (480, 640))
    noisy.image = np.random.default_rng(3).integers(0, 256, noisy.image.shape, dtype=np.uint8)
    with MapWriter.create(tmp_path / "map.zarr", header(), FAST) as writer:
        writer.commit(submaps=[Submap(0, 0, np.eye(4), blocks(0, 0))], keyframes=[keyframe(0, 0, (480, 640))])
        narrow = zarr.open_group(tmp_path / "map.zarr")["keyframes/jpeg"].shape[1]
        writer.commit(keyframes=[noisy])
        writer.commit(keyframes=[keyframe(2, 0, (480, 640))])
    reader = open_map(tmp_path / "map.zarr")
    assert zarr.open_group(tmp_path / "map.zarr")["keyframes/jpeg"].shape[1] > narrow
    assert [reader.keyframe(i).image[0, 0, 0] for i in (0, 2)] == [0, 80]
    assert np.corrcoef(reader.keyframe(1).image.ravel(), noisy.image.ravel())[0, 1] > 0.5
    assert validate_map(tmp_path / "map.zarr") == []


def test_a_map_without_blocks_and_keyframes_is_a_map(tmp_path):
    with MapWriter.create(tmp_path / "map.zarr", header(), FAST) as writer:
        assert validate_map(writer.path) == []
        writer.commit(submaps=[Submap(0, 0, np.eye(4), blocks(0, 0))], state={}, header=header(1))
        writer.write_trajectory()
    reader = open_map(tmp_path / "map.zarr")
    assert validate_map(reader.path) == []
    assert (len(reader), reader.blocks, len(reader.trajectory())) == (0, 0, 0)
    assert list(reader.keyframes()) == [] and len(next(reader.submaps()).blocks) == 0
    assert reader.keyframe_frames().tolist() == []
    assert reader.summary()["trajectory_length_m"] == 0


def test_the_state_of_the_last_commit_comes_back_with_types_and_shapes(tmp_path):
    state = {
        "tracker": {
            "a": np.arange(6, dtype=np.int16).reshape(2, 3),
            "b": np.zeros((0, 4), dtype=np.float32),
            "c": np.array(True),
        },
        "scale": {"ratios": np.linspace(0, 1, 5)},
    }
    with MapWriter.create(tmp_path / "map.zarr", header(), FAST) as writer:
        writer.commit(state={"tracker": {"old": np.ones(3)}})
        writer.commit(state=state)
        writer.commit(header=header(3))  # keeps the state
        for back in (writer.state, open_map(writer.path).state()):
            assert {stage: sorted(arrays) for stage, arrays in back.items()} == {
                "tracker": ["a", "b", "c"],
                "scale": ["ratios"],
            }
            for stage, arrays in state.items():
                for name, array in arrays.items():
                    np.testing.assert_array_equal(back[stage][name], array)
                    assert back[stage][name].dtype == array.dtype and back[stage][name].shape == array.shape
        writer.commit(state={})
        assert writer.state == {} and not list((writer.path / "state").glob("[0-9]*"))


def test_the_header_comes_back(tmp_path):
    given = header(
        7,
        scale=ScaleRecord(status=ScaleStatus.METRIC, value=0.37, method="sensor depth", interval=(0.36, 0.38)),
        config={"fusion": {"voxel_size_m": 0.02, "names": ["a", "b"], "nothing": None, "nan": float("nan")}},
        progress=Progress(
            next_frame=7, frames_by_status={"tracked": 6, "lost": 1}, dropped=2, elapsed_s=1.5, complete=True
        ),
    )
    with MapWriter.create(tmp_path / "map.zarr", header(), FAST) as writer:
        writer.commit(header=given)
    back = open_map(tmp_path / "map.zarr").header
    assert (back.scale, back.progress, back.label_space) == (given.scale, given.progress, LABELS)
    assert back.config == {"fusion": {"voxel_size_m": 0.02, "names": ["a", "b"], "nothing": None, "nan": None}}
    assert back.provenance.source == "tiny" and back.provenance.created <= back.provenance.updated
    assert (
        json.loads((tmp_path / "map.zarr/zarr.json").read_text())["attributes"]["streammtl"]["schema"]
        == "streammtl-map-2"
    )


def test_plain_zarr_reads_everything_without_a_warning(path):
    with MapWriter.resume(path, FAST) as writer:
        writer.write_trajectory()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        group = zarr.open_group(path, mode="r")
        attribute = group.attrs["streammtl"]
        arrays = {name: member for name, member in group.members(max_depth=None) if isinstance(member, zarr.Array)}
    assert [entry["group"] for entry in attribute["submaps"]] == [
        "submaps/000000.4",
        "submaps/000001.4",
        "submaps/000002.2",
    ]
    for array in arrays.values():
        assert array[...] is not None
    np.testing.assert_array_equal(arrays["submaps/000002.2/weight"][:], 10)
    assert arrays["labels/names"][:].tolist() == ["none", "wall", "Tür"]
    T_world_cam = group[attribute["trajectory"]]["T_world_cam"][:]
    np.testing.assert_allclose(T_world_cam[9], pose(0.32) @ pose(0.9, yaw=0.09))


def test_the_trajectory_follows_the_anchors(path):
    turned = pose(2.0, 1.0, -3.0, yaw=0.7)
    before = open_map(path).trajectory()
    with MapWriter.resume(path, FAST) as writer:
        writer.write_trajectory()
        writer.commit(anchors={1: turned})
        assert writer.header.trajectory is None  # it no longer fits
    after = open_map(path).trajectory()
    assert after.status.tolist() == [str(frame(i).status) for i in range(10)]
    for i in range(10):
        if frame(i).status == TrackStatus.LOST:
            assert np.isnan(after.T_world_cam[i]).all()
        elif 4 <= i < 8:
            np.testing.assert_allclose(after.T_world_cam[i], turned @ frame(i).T_submap_cam)
        else:
            np.testing.assert_array_equal(after.T_world_cam[i], before.T_world_cam[i])
    assert open_map(path).submap(1).blocks.weight[0, 0, 0, 0] == 8  # voxels stay
    assert open_map(path).state()["tracker"]["next"] == [10]


def test_the_length_of_the_path_does_not_count_jumps_between_components(tmp_path):
    def part(number, component, at):
        frames = [frame(i) for i in range(3 * number, 3 * number + 3)]
        for record in frames:
            record.status, record.T_submap_cam = TrackStatus.TRACKED, pose(float(record.index - 3 * number))
        return Submap(number, component, pose(at), blocks(0, 0), frames)

    with MapWriter.create(tmp_path / "map.zarr", header(), FAST) as writer:
        writer.commit(submaps=[part(0, 0, 0.0), part(1, 0, 5.0), part(2, 1, 500.0)])
    reader = open_map(tmp_path / "map.zarr")
    assert reader.trajectory().length_m == pytest.approx(2 + 3 + 2 + 2)
    assert reader.summary()["components"] == 2
    parts = reader.summary()["connected"]
    assert [part["component"] for part in parts] == sorted({entry.component for entry in reader.header.submaps})
    assert sum(part["frames_posed"] for part in parts) == reader.summary()["frames_posed"]


def test_the_summary_counts_what_is_there(path):
    summary = open_map(path).summary()
    expected = {"frames": 10, "frames_posed": 8, "keyframes": 8, "submaps": 3, "submaps_open": 1, "blocks": 10}
    assert {key: summary[key] for key in expected} == expected
    assert summary["recording_frames_per_second"] == pytest.approx(30)
    assert summary["mapped_frames_per_second"] == pytest.approx(2)
    assert summary["size_bytes"] == sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert json.loads(json.dumps(summary)) == summary


def test_the_same_commits_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        with MapWriter.create(tmp_path / name, header(), FAST) as writer:
            for n in range(1, 6):
                writer.commit(**commit_number(n))
    files = sorted(file.relative_to(tmp_path / "a") for file in (tmp_path / "a").rglob("*") if file.is_file())
    assert files == sorted(file.relative_to(tmp_path / "b") for file in (tmp_path / "b").rglob("*") if file.is_file())
    for file in files:
        if str(file) not in ("zarr.json", "spare/zarr.json"):  # the root holds the times
            assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_attributes_and_groups_of_others_survive(path):
    group = zarr.open_group(path, mode="r+")
    group.attrs["mine"] = {"note": 1}
    group.create_array("notes/x", shape=(2,), dtype="i4")[:] = 5
    with MapWriter.resume(path, FAST) as writer:
        writer.commit(header=header(11))
    group = zarr.open_group(path, mode="r")
    assert group.attrs["mine"] == {"note": 1} and group["notes/x"][:].tolist() == [5, 5]


def test_old_checkpoints_are_deleted_and_closed_submaps_stay(path):
    assert sorted(folder.name for folder in (path / "submaps").glob("0*")) == ["000000.4", "000001.4", "000002.2"]
    assert len(list((path / "state").glob("[0-9]*"))) == 1
    with MapWriter.resume(path, FAST) as writer, pytest.raises(StoreError, match="submap 0 is closed"):
        writer.commit(submaps=[Submap(0, 0, np.eye(4), blocks(1, 1))])
    assert validate_map(path) == []


def test_a_reader_opened_before_a_commit_still_reads_the_open_submap(path):
    reader = open_map(path)
    with MapWriter.resume(path, FAST) as writer:
        writer.commit(**commit_number(11))
        assert len(reader.submap(2).blocks) == 3  # its checkpoint is gone: the newest stands in
        assert len(reader.trajectory()) == 11
        assert len(list(open_map(path).keyframes())) == 9
