"""The mesh of a map comes in slabs, and components stay apart."""

import shutil

import numpy as np
import pytest
import zarr

from mapping.query.world_blocks import WorldBlocks
from mapping.records import Submap
from mapping.store import MapHeader, MapWriter, StoreSettings, open_map, validate_map
from mapping.store.arrays import RowWriter
from mapping.surface.map_mesh import _slabs, join, map_mesh, surface_pieces
from mapping.surface.merge import merge_submaps
from mapping.surface.mesh import Mesh, extract_mesh
from mapping.surface.resample import blocks_reached
from tests.mapping.surface.distance_fields import edge_balance, filled_blocks, sphere

VOXEL, TRUNCATION = 0.05, 0.2


def triangle(x):
    return Mesh(
        vertices=np.array([[x, 0, 0], [x + 1, 0, 0], [x, 1, 0]], np.float32),
        faces=np.array([[0, 1, 2]], np.int32),
        normals=np.tile(np.float32([0, 0, 1]), (3, 1)),
        colours=np.full((3, 3), 7, np.uint8),
        labels=np.full(3, 5, np.uint8),
    )


def test_joined_meshes_keep_their_own_triangles():
    both = join([triangle(0), triangle(10)])
    assert both.faces.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert both.vertices[both.faces[1], 0].tolist() == [10, 11, 10]
    assert both.labels.tolist() == [5] * 6


def test_no_meshes_join_to_an_empty_one():
    empty = join([])
    assert empty.vertices.shape == (0, 3)
    assert empty.faces.shape == (0, 3)


@pytest.fixture(scope="module")
def two_balls(tmp_path_factory):
    """Component 0: a ball in two submaps that overlap, one of them turned off the grid; component 1: one more ball."""
    turned = np.eye(4)
    turned[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    turned[:3, 3] = 0.013, 0.02, 0.007
    ball = filled_blocks(sphere(1.1, (0.1, -0.2, 0.0)), (-4, -4, -4), (4, 4, 4), VOXEL, TRUNCATION)
    again = filled_blocks(sphere(1.1, (0.12, -0.2, 0.1)), (-4, -4, -4), (4, 4, 4), VOXEL, TRUNCATION)
    submaps = [Submap(0, 0, np.eye(4), ball), Submap(1, 0, turned, again), Submap(2, 1, np.eye(4), ball)]
    path = tmp_path_factory.mktemp("balls") / "map.zarr"
    header = MapHeader(voxel_size_m=VOXEL, truncation_m=TRUNCATION)
    with MapWriter.create(path, header, StoreSettings(durable=False)) as writer:
        writer.commit(submaps=submaps)
    return path


def triangles(mesh):
    """Corners of all triangles with all that belongs to them, f64 [F,33], in an order of their own."""
    columns = [mesh.vertices, mesh.normals, mesh.colours, mesh.labels[:, None], mesh.label_confidence[:, None]]
    rows = np.concatenate(columns, axis=1).astype(np.float64)[mesh.faces].reshape(len(mesh.faces), -1)
    return rows[np.lexsort(rows.T)]


def test_surfaces_of_two_components_at_the_same_place_do_not_merge(two_balls):
    reader = open_map(two_balls)
    both = sum(len(map_mesh(reader, component).faces) for component in (0, 1))
    assert len(map_mesh(reader).faces) == both > 0


def test_slabs_sewn_together_are_the_mesh_of_all_voxels_at_once(two_balls):
    reader = open_map(two_balls)
    merged = merge_submaps((reader.submap(n) for n in (0, 1)), VOXEL, TRUNCATION)
    whole = extract_mesh(merged, VOXEL)
    for at_once, count in ((10**6, 1), (150, 6), (1, 8)):
        pieces = list(surface_pieces(reader, 0, at_once))
        assert len(pieces) >= count
        faces = np.concatenate([piece.faces for piece in pieces])
        sewn = Mesh(
            faces=faces,
            **{
                name: np.concatenate([getattr(piece, name) for piece in pieces])
                for name in ("vertices", "normals", "colours", "labels", "label_confidence")
            },
        )
        assert len(sewn.vertices) == len(whole.vertices)  # none of them twice
        np.testing.assert_array_equal(triangles(sewn), triangles(whole))
        np.testing.assert_array_equal(*edge_balance(faces))  # closed


def test_blocks_that_several_submaps_hold_count_for_more(two_balls):
    reader = open_map(two_balls)
    world = WorldBlocks(reader, 0)
    straight, turned = reader.submap(0), reader.submap(1)
    reached = [straight.blocks.index, blocks_reached(turned.blocks.index, turned.T_world_submap, VOXEL)]
    reached = [set(map(tuple, blocks.tolist())) for blocks in reached]
    expected = [sum(block in of_submap for of_submap in reached) for block in map(tuple, world.coordinates.tolist())]
    assert set(expected) == {1, 2}
    np.testing.assert_array_equal(world.holders, expected)
    x = np.repeat(np.arange(12), 10)
    assert list(_slabs(x, np.ones(len(x)), 60)) == [(0, 5), (5, 9), (9, 12)]
    assert list(_slabs(x, np.full(len(x), 1.5), 60)) == [(0, 3), (3, 5), (5, 7), (7, 9), (9, 12)]


def test_a_surface_written_in_pieces_is_read_as_one(two_balls, tmp_path):
    reader = open_map(two_balls)
    path = shutil.copytree(two_balls, tmp_path / "map.zarr")
    with MapWriter.resume(path, StoreSettings(durable=False)) as writer:
        writer.write_surface(surface_pieces(reader, None, 150))
    assert validate_map(path) == []
    back, whole = open_map(path).surface(), map_mesh(reader)
    assert back.faces.max() + 1 == len(back.vertices) == len(whole.vertices)
    np.testing.assert_array_equal(
        np.sort(back.vertices[back.faces].reshape(-1, 9), axis=0),
        np.sort(whole.vertices[whole.faces].reshape(-1, 9), axis=0),
    )


def test_arrays_that_grow_over_many_chunks_come_back_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("mapping.store.arrays.CHUNK_BYTES", 100)
    group = zarr.open_group(tmp_path / "group", mode="w")
    writer, rows = RowWriter(group, "rows", np.int32, (3,)), np.arange(60, dtype=np.int32).reshape(-1, 3)
    for start, stop in ((0, 2), (2, 2), (2, 13), (13, 20)):
        writer.append(rows[start:stop])
    writer.close()
    np.testing.assert_array_equal(group["rows"][:], rows)
    assert group["rows"].chunks == (8, 3)
