"""Merging keeps both maps to the bit; cropping keeps what lies in the box and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from mapping.records import Submap
from mapping.store import LabelSpaceRecord, MapWriter, ScaleRecord, StoreSettings, open_map
from mapping.store.crop_map import crop_map
from mapping.store.merge_maps import merge_maps
from mapping.store.verify import verify_map
from streammtl.errors import GeometryError, StoreError
from streammtl.views import ScaleStatus
from tests.mapping.store.tiny_maps import blocks, commit_number, frame, header, keyframe, pose

FAST = StoreSettings(durable=False)


def write(path, commits=6, **fields):
    with MapWriter.create(path, header(**fields), FAST) as writer:
        for n in range(1, commits + 1):
            arguments = commit_number(n)
            writer.commit(**arguments | {"header": header(n, **fields)})
    return path


@pytest.fixture
def two(tmp_path):
    return write(tmp_path / "a.zarr"), write(tmp_path / "b.zarr", commits=9)


def test_merged_maps_lie_side_by_side_to_the_bit(two, tmp_path):
    a, b = map(open_map, two)
    merged = merge_maps(*two, tmp_path / "c.zarr", settings=FAST)
    c = open_map(tmp_path / "c.zarr")
    assert verify_map(tmp_path / "c.zarr").sound
    assert [e.component for e in c.header.submaps] == [0, 0, 1, 1, 1] and c.header.components == 2
    for number, source, old in ((0, a, 0), (1, a, 1), (2, b, 0), (3, b, 1), (4, b, 2)):
        was, now = source.submap(old), c.submap(number)
        for name, array in vars(was.blocks).items():
            np.testing.assert_array_equal(getattr(now.blocks, name), array)
        np.testing.assert_array_equal(now.T_world_submap, was.T_world_submap)
    assert merged.first_frame_of_b == 6 and len(c) == len(a) + len(b)
    assert c.keyframe_frames().tolist() == [*a.keyframe_frames(), *(b.keyframe_frames() + 6)]
    assert c.keyframe_submaps().tolist() == [*a.keyframe_submaps(), *(b.keyframe_submaps() + 2)]
    assert c.keyframe_jpeg(len(a) + 2) == b.keyframe_jpeg(2)
    assert len(c.trajectory()) == 15 and c.header.progress.complete
    np.testing.assert_array_equal(c.trajectory().T_world_cam[6:], b.trajectory().T_world_cam)


def test_a_transform_joins_the_first_components(two, tmp_path):
    T = pose(3.0, 0.5, -1.0, yaw=0.4)
    merge_maps(*two, tmp_path / "c.zarr", T, FAST)
    c = open_map(tmp_path / "c.zarr")
    assert c.header.components == 1
    np.testing.assert_allclose(c.submap(3).T_world_submap, T @ open_map(two[1]).submap(1).T_world_submap)
    with pytest.raises(GeometryError, match="T_a_b"):
        merge_maps(*two, tmp_path / "d.zarr", 2 * np.eye(4), FAST)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"voxel_size_m": 0.04}, "voxel_size_m 0.02, .* 0.04"),
        ({"scale": ScaleRecord(status=ScaleStatus.METRIC)}, "up_to_scale, .* metric"),
        ({"label_space": LabelSpaceRecord(name="other")}, "test, version 1, .* other, version 1"),
    ],
)
def test_maps_that_do_not_fit_are_not_merged(tmp_path, fields, words):
    a, b = write(tmp_path / "a.zarr", 2), write(tmp_path / "b.zarr", 2, **fields)
    with pytest.raises(StoreError, match=words):
        merge_maps(a, b, tmp_path / "c.zarr", settings=FAST)
    assert not (tmp_path / "c.zarr").exists()


def test_keyframes_of_another_size_are_left_out_and_counted(tmp_path):
    a, b = write(tmp_path / "a.zarr", 2), tmp_path / "b.zarr"
    with MapWriter.create(b, header(), FAST) as writer:
        submap = Submap(0, 0, np.eye(4), blocks(2, 3), [frame(0)], True)
        writer.commit(submaps=[submap], keyframes=[keyframe(0, 0, (48, 64))], header=header(1))
    assert merge_maps(a, b, tmp_path / "c.zarr", settings=FAST).keyframes_left_out == 1
    assert len(open_map(tmp_path / "c.zarr")) == 2 and open_map(tmp_path / "c.zarr").blocks == 4


def voxels_in_world(path):
    """(points f64 [N,3], tsdf) of all seen voxels."""
    reader, points, values = open_map(path), [], []
    for submap in reader.submaps():
        inner = np.stack(np.meshgrid(*[np.arange(8)] * 3, indexing="ij"), -1)
        local = (submap.blocks.index[:, None, None, None] * 8 + inner) * reader.header.voxel_size_m
        seen = submap.blocks.weight > 0
        points.append((local @ submap.T_world_submap[:3, :3].T + submap.T_world_submap[:3, 3])[seen])
        values.append(submap.blocks.tsdf[seen])
    return np.concatenate(points), np.concatenate(values)


def test_cropping_keeps_the_voxels_in_the_box_and_no_others(tmp_path):
    path = tmp_path / "a.zarr"
    rng = np.random.default_rng(4)
    grid = blocks(64, 3)
    grid.index[:] = np.stack(np.unravel_index(np.arange(64), (4, 4, 4)), -1) - 2
    grid.tsdf[:] = rng.uniform(-1, 1, grid.tsdf.shape).astype(np.float16)
    grid.weight[rng.uniform(size=grid.weight.shape) < 0.3] = 0
    turned = pose(0.3, 0.1, -0.2, yaw=0.5)
    with MapWriter.create(path, header(), FAST) as writer:
        far = Submap(1, 0, pose(50.0), blocks(3, 3), [frame(1)], True)
        writer.commit(submaps=[Submap(0, 0, turned, grid, [frame(0)], True), far], header=header(2))
    low, high = np.array([0.1, -0.15, -0.3]), np.array([0.5, 0.2, 0.05])
    crop_map(path, tmp_path / "c.zarr", low, high, FAST)
    points, tsdf = voxels_in_world(path)
    inside = ((points >= low) & (points <= high)).all(1)
    kept, kept_tsdf = voxels_in_world(tmp_path / "c.zarr")
    assert 1000 < inside.sum() < 0.5 * len(points) and len(kept) == inside.sum()
    order, kept_order = np.lexsort(points[inside].T), np.lexsort(kept.T)
    np.testing.assert_array_equal(kept[kept_order], points[inside][order])
    np.testing.assert_array_equal(kept_tsdf[kept_order], tsdf[inside][order])
    assert [entry.number for entry in open_map(tmp_path / "c.zarr").header.submaps] == [0]
    assert verify_map(tmp_path / "c.zarr").sound


def test_cropping_keeps_the_keyframes_that_look_into_the_box(two, tmp_path):
    """Keyframe i of tiny maps stands near x = 0.1 i and sees a plane at depth 1 + i / 8."""
    a = open_map(two[1])
    crop_map(two[1], tmp_path / "c.zarr", np.array([-9, -9, 1.45]), np.array([9, 9, 1.55]), FAST)
    kept = open_map(tmp_path / "c.zarr").keyframe_frames().tolist()
    assert 4 in kept and 0 not in kept and len(kept) < len(a)
    with pytest.raises(StoreError, match="has nothing between"):
        crop_map(two[1], tmp_path / "d.zarr", np.full(3, 90.0), np.full(3, 91.0), FAST)
    with pytest.raises(StoreError, match="is empty"):
        crop_map(two[1], tmp_path / "d.zarr", np.ones(3), np.zeros(3), FAST)
