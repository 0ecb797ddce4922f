"""Samples, views and crops of a map on disk against the merged map in memory."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from mapping.query import Volume
from mapping.query.residency import Residency
from mapping.records import Submap
from mapping.store import MapHeader, MapWriter, StoreSettings, open_map
from mapping.surface.merge import merge_submaps
from streammtl.camera import Camera
from streammtl.errors import GeometryError, MapError, ShapeError
from tests.mapping.query.reference_queries import WholeMap
from tests.mapping.store.tiny_maps import pose
from tests.mapping.surface.distance_fields import filled_blocks, sphere

VOXEL, TRUNCATION = 0.05, 0.2
RADIUS = 0.7
SMALL_FILES = StoreSettings(durable=False, blocks_per_chunk=16, blocks_per_shard=16)
FIELDS = ("tsdf", "weight", "colour", "label_ids", "label_weights")
CAMERA = Camera.pinhole(24, 20, 22.0, 23.0, 11.3, 9.8)


def ball(centre, weight=1.0):
    blocks = filled_blocks(sphere(RADIUS, centre), (-4, -4, -4), (4, 4, 4), VOXEL, TRUNCATION)
    blocks.weight *= weight
    blocks.label_weights[..., 1] = np.where(blocks.weight > 0, 0.5, 0)
    blocks.label_ids[..., 1] = np.where(blocks.weight > 0, 9, 0)
    return blocks


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A ball in three overlapping submaps: two on the world's grid, one that a correction has turned; and one more
    elsewhere, which nothing connects with them."""
    path = tmp_path_factory.mktemp("queries") / "map.zarr"
    on_grid = pose(16 * VOXEL)
    turned = pose(0.33, -0.21, 0.4, yaw=0.3)
    submaps = [
        Submap(0, 0, np.eye(4), ball((0, 0, 0)), closed=True),
        Submap(1, 0, on_grid, ball((-16 * VOXEL, 0, 0), weight=2.0), closed=True),
        Submap(2, 0, turned, ball(np.linalg.inv(turned)[:3, 3], weight=0.5), closed=True),
        Submap(3, 1, np.eye(4), ball((0.1, 0, 0)), closed=True),
    ]
    with MapWriter.create(path, MapHeader(voxel_size_m=VOXEL, truncation_m=TRUNCATION), SMALL_FILES) as writer:
        writer.commit(submaps=submaps)
    return open_map(path)


@pytest.fixture(scope="module")
def whole(reader) -> WholeMap:
    merged = merge_submaps((reader.submap(i) for i in range(3)), VOXEL, TRUNCATION)
    return WholeMap(merged, VOXEL, TRUNCATION)


def points(n: int) -> np.ndarray:
    """Points near the ball, some beyond all blocks."""
    rng = np.random.default_rng(1)
    direction = rng.normal(size=(n, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return direction * (RADIUS + rng.uniform(-1.5, 1.5, (n, 1)) * TRUNCATION)


def test_samples_equal_those_of_the_merged_map(reader, whole):
    where = points(300)
    found = Volume(reader).sample(where)
    tsdf = np.array([whole.tsdf_m(p) for p in where])
    known = np.isfinite(tsdf)
    assert 100 < known.sum() < 290
    np.testing.assert_allclose(found.tsdf_m, tsdf, atol=1e-6)
    np.testing.assert_allclose(found.weight[known], [whole.weight(p) for p in where[known]], rtol=1e-5)
    np.testing.assert_allclose(found.colour[known], [whole.colour(p) for p in where[known]], atol=1)
    for i in np.flatnonzero(known):
        label, confidence = whole.label(where[i])
        assert found.label[i] == label and found.confidence[i] == pytest.approx(confidence, abs=1e-6)
    assert (found.weight[~known] == 0).all() and (found.colour[~known] == 0).all() and (found.label[~known] == 0).all()


def test_samples_keep_the_shape_of_the_points_and_refuse_other_things(reader):
    volume = Volume(reader)
    found = volume.sample(points(12).reshape(3, 4, 3))
    assert found.tsdf_m.shape == (3, 4) and found.colour.shape == (3, 4, 3)
    assert volume.sample(np.zeros((0, 3))).label.shape == (0,)
    np.testing.assert_array_equal(volume.tsdf_m(points(12).reshape(3, 4, 3)), found.tsdf_m)
    for wrong in (np.zeros((3, 2)), np.full((2, 3), np.nan)):
        with pytest.raises(ShapeError, match=r"\[\.\.\.,3\]"):
            volume.sample(wrong)


def test_a_view_shows_the_ball(reader, whole):
    T = np.array([[1.0, 0, 0, 0.05], [0, 0, -1, 2], [0, 1, 0, 0.1], [0, 0, 0, 1]])  # from y = 2, looking along -y
    view = Volume(reader).view(CAMERA, T)
    y, x = np.mgrid[:20, :24]
    rays = np.stack([(x - CAMERA.cx) / CAMERA.fx, (y - CAMERA.cy) / CAMERA.fy, np.ones(x.shape)], -1)
    unit = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    centre = -T[:3, :3].T @ T[:3, 3]  # of the ball, in the camera
    along = unit @ centre
    inside = RADIUS**2 - (centre @ centre - along**2)
    clear = inside > 0.15  # the rim is seen at a slant
    distance = along - np.sqrt(np.maximum(inside, 0))
    np.testing.assert_allclose(view.depth_m[clear], (distance * unit[..., 2])[clear], atol=0.004)
    assert (view.depth_m[inside < -0.1] == 0).all() and (view.label[inside < -0.1] == 0).all()
    normals = (distance[..., None] * unit - centre) / RADIUS
    assert ((view.normals * normals).sum(-1)[clear] > 0.99).all()
    for row, column in ((10, 11), (6, 14), (13, 9)):
        slow = whole.first_hit_m(T[:3, 3], T[:3, :3] @ unit[row, column], 3.0) * unit[row, column, 2]
        assert view.depth_m[row, column] == pytest.approx(slow, abs=1e-3)
        at = T[:3, :3] @ rays[row, column] * float(view.depth_m[row, column]) + T[:3, 3]
        assert (view.label[row, column], view.confidence[row, column]) == pytest.approx(whole.label(at), abs=1e-6)
        np.testing.assert_allclose(view.colour[row, column], whole.colour(at), atol=1)
    with pytest.raises(GeometryError, match="T_world_cam"):
        Volume(reader).view(CAMERA, 2 * np.eye(4))


def test_a_cache_that_is_far_too_small_gives_the_same_answers(reader):
    where, T = points(150), pose(0, 0, -2)
    camera = CAMERA.scaled(8, 6)
    large, small = Volume(reader), Volume(reader, memory_bytes=1)
    assert small._voxels.nbytes < large._voxels.nbytes / 2
    found, expected = small.sample(where), large.sample(where)
    for name in vars(expected):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    seen, expected = small.view(camera, T), large.view(camera, T)
    assert (expected.depth_m > 0).sum() > 5
    for name in vars(expected):
        np.testing.assert_array_equal(getattr(seen, name), getattr(expected, name), err_msg=name)


def test_only_the_files_concerned_are_read(reader, tmp_path):
    copy = shutil.copytree(reader.path, tmp_path / "map.zarr")
    index, group = reader.block_index(0), copy / reader.header.entry(0).group
    away = [shard for shard in range(-(-len(index) // 16)) if (index[16 * shard :][:16, 0] >= 1).all()]
    assert away
    for shard in away:
        for name in FIELDS:
            shutil.rmtree(group / name / "c" / str(shard))
    where = points(200)
    where = where[where[:, 0] < -0.2]
    np.testing.assert_array_equal(Volume(open_map(copy)).tsdf_m(where), Volume(reader).tsdf_m(where))
    with pytest.raises(MapError, match="damaged"):
        Volume(open_map(copy)).tsdf_m(np.array([[0.7, 0.0, 0.0]]))


@pytest.mark.parametrize("at_once", [5, 4096])
def test_blocks_of_a_map_come_once_each_and_merged(reader, whole, at_once):
    parts = list(Volume(reader).blocks(at_once=at_once))
    index = np.concatenate([part.index for part in parts])
    assert len(index) == len(np.unique(index, axis=0)) == len(whole.blocks.index)
    order = np.lexsort(index.T[::-1])
    np.testing.assert_array_equal(index[order], whole.blocks.index)
    for name in FIELDS:
        values = np.concatenate([getattr(part, name) for part in parts])[order]
        np.testing.assert_array_equal(values, getattr(whole.blocks, name), err_msg=name)


def test_a_crop_holds_the_voxels_of_its_box_and_no_others(reader, whole):
    low, high = np.array([-0.33, 0.11, -0.5]), np.array([0.4, 0.92, 0.26])
    cut = Volume(reader).crop(low, high)
    own = {tuple(i): k for k, i in enumerate(cut.index.tolist())}
    for index, weight, tsdf in zip(whole.blocks.index, whole.blocks.weight, whole.blocks.tsdf, strict=True):
        at = (index * 8 + np.stack(np.meshgrid(*[np.arange(8)] * 3, indexing="ij"), -1)) * VOXEL
        inside = ((at >= low) & (at <= high)).all(-1)
        if inside.any():
            k = own.pop(tuple(index.tolist()))
            np.testing.assert_array_equal(cut.weight[k], weight * inside)
            np.testing.assert_array_equal(cut.tsdf[k], tsdf * inside)
    assert own == {}


def test_a_slice_is_sampled_row_by_row(reader):
    volume, T = Volume(reader), pose(-0.8, -0.4, 0.02)
    found = volume.slice(T, (1.6, 0.8), spacing_m=0.1)
    assert found.tsdf_m.shape == (9, 17)
    np.testing.assert_array_equal(found.tsdf_m[3, 2], volume.tsdf_m(np.array([-0.6, -0.1, 0.02])))
    assert volume.slice(T, (0.5, 0.2)).label.shape == (5, 11)


def test_parts_of_a_map_that_nothing_connects_stay_apart(reader):
    other = Volume(reader, component=1)
    assert other.tsdf_m(np.array([0.1 + RADIUS, 0, 0])) == pytest.approx(0, abs=0.005)
    assert abs(Volume(reader).tsdf_m(np.array([0.1 + RADIUS, 0, 0])) - 0.1) < 0.01
    with pytest.raises(MapError, match=r"no component 7; it has \[0, 1\]"):
        Volume(reader, component=7)


def test_what_was_asked_for_last_stays_in_memory():
    loads = []

    def load(numbers):
        loads.append(numbers.tolist())
        neighbour = numbers.max() + 1
        known = np.append(numbers, neighbour) if neighbour < 300 else numbers
        holding = known[known != 7]
        return known, holding, {"value": holding.astype(np.float32)[:, None]}

    cache = Residency(300, 1, {"value": ((1,), np.float32)}, load)
    assert cache.slots == 64
    cache.bring(np.arange(5, 25))
    cache.bring(np.array([25, 7, 10]))  # 25 came along, 7 is known to hold nothing
    assert loads == [list(range(5, 25))] and cache.slot_of[7] == -2
    cache.bring(np.arange(30, 60))
    cache.bring(np.array([10]))
    cache.bring(np.arange(100, 120))
    assert (cache.slot_of[np.append(np.arange(100, 120), 10)] >= 0).all() and (cache.slot_of[[5, 6]] == -1).all()
    held = np.flatnonzero(cache.slot_of >= 0)
    np.testing.assert_array_equal(cache.arrays["value"][cache.slot_of[held], 0], held)
    assert len(np.unique(cache.slot_of[held])) == len(held) <= 64
