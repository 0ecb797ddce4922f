"""What is read out of two rooms made of boxes, against the boxes."""

from __future__ import annotations

import itertools
import json

import networkx as nx
import numpy as np
import pytest

from mapping.scene import SceneSettings, find_objects, nearest_object, read_scene, scene_graph
from mapping.scene.graph import flat_graph
from mapping.scene.objects import _pieces
from mapping.store import MapReader
from mapping.surface.map_mesh import map_mesh
from streammtl.errors import LabelError
from tests.mapping.two_rooms import CHAIR_BOX, OTHER_CHAIR_BOX, TABLE_BOX, UP_WORLD, VOXEL, YAW


@pytest.fixture(scope="module")
def scene(two_rooms: MapReader):
    return read_scene(two_rooms)


def world(*point: float) -> np.ndarray:
    return UP_WORLD @ np.array(point)


def test_the_floor_is_level_below_everything_and_its_axes_follow_the_walls(scene):
    T = scene.grid.T_world_floor
    np.testing.assert_allclose(T[:3, 2], UP_WORLD @ (0, 0, 1), atol=1e-3)
    assert np.abs(T[:3, :2].T @ UP_WORLD[:, :2]).max(1) == pytest.approx([1, 1], abs=1e-3)
    assert (UP_WORLD.T @ T[:3, 3])[2] == pytest.approx(0, abs=0.01)
    assert np.linalg.det(T[:3, :3]) == pytest.approx(1)


def test_every_thing_is_found_once_with_its_box(scene, two_rooms):
    assert [thing.class_name for thing in scene.objects] == ["table", "chair", "chair"]
    for centre, extent in (TABLE_BOX, CHAIR_BOX, OTHER_CHAIR_BOX):
        thing = min(scene.objects, key=lambda t: np.linalg.norm(t.T_world_box[:3, 3] - world(*centre)))
        np.testing.assert_allclose(thing.T_world_box[:3, 3], world(*centre), atol=0.6 * VOXEL)
        np.testing.assert_allclose(np.sort(thing.extent_m), np.sort(extent), atol=1.6 * VOXEL)
        assert thing.extent_m[2] == pytest.approx(extent[2], abs=1.2 * VOXEL)
        mesh = map_mesh(two_rooms)
        sure, height = mesh.label_confidence[thing.vertices], (mesh.vertices[thing.vertices] @ UP_WORLD)[:, 2]
        above = height > height.min() + 2 * VOXEL
        np.testing.assert_allclose(sure[above], 0.75, atol=1e-3)  # what every voxel says
        assert (sure[~above] < 0.76).all() and thing.confidence < 0.75  # where it stands, voxels beside say floor
        assert thing.confidence > (sure[above].sum() + 0.4 * (~above).sum()) / len(sure)
        inside = np.array([[*np.add(centre, (0, 0, 0.1))]])
        assert thing.distance_m(world(*inside[0])) == 0
        assert thing.distance_m(world(*np.add(centre, (0, 0, extent[2] / 2 + 0.5)))) == pytest.approx(0.5, abs=VOXEL)


def test_a_turned_thing_has_a_turned_box(scene):
    turned = min(scene.objects, key=lambda t: np.linalg.norm(t.T_world_box[:3, 3] - world(*CHAIR_BOX[0])))
    longer = UP_WORLD.T @ turned.T_world_box[:3, int(np.argmax(turned.extent_m[:2]))]
    angle = np.degrees(np.arctan2(longer[1], longer[0])) % 180
    assert angle == pytest.approx(np.degrees(YAW), abs=6)


def test_the_nearest_thing_of_a_class(scene):
    assert nearest_object(scene.objects, world(3, 0.5, 0.4), "chair").T_world_box[0, 3] == pytest.approx(2.4, abs=0.05)
    assert nearest_object(scene.objects, world(4, 0.5, 0.4), "chair").T_world_box[0, 3] == pytest.approx(4.8, abs=0.05)
    with pytest.raises(LabelError, match="no 'sofa' among the objects; there are: chair, table"):
        nearest_object(scene.objects, world(3, 0.5, 0.4), "sofa")


def test_the_grid_is_free_where_one_can_stand_and_occupied_where_things_are(scene):
    grid = scene.grid

    def at(values, x, y):
        return bool(values[tuple(grid.cells(world(x, y, 0)[None])[0])])

    for x, y in ((0.7, 1.0), (2.5, 2.0), (3.5, 1.6), (5.0, 2.5), (5.6, 0.4)):
        assert at(grid.free, x, y) and not at(grid.occupied, x, y)
    edges = [(1.0, 2.1), (0.4, 2.4), (2.2, 0.5), (2.4, 0.7)]  # of the table and a chair
    assert all(
        any(at(grid.occupied, x + d, y + e) for d, e in itertools.product((-0.05, 0, 0.05), repeat=2)) for x, y in edges
    )
    assert not at(grid.free, 1.0, 2.4) and not at(grid.free, -0.12, 1.5) and not at(grid.free, 3.5, 0.5)
    assert any(at(grid.wall, x, 1.5) for x in (-0.04, 0.01)) and not at(grid.wall, 1.0, 2.1)
    back = grid.cells(grid.world(np.array([[3, 4], [10, 2]])))
    np.testing.assert_array_equal(back, [[3, 4], [10, 2]])


def test_rooms_are_parted_at_the_door(scene):
    assert len(scene.rooms) == 2
    assert scene.rooms[0].area_m2 == pytest.approx(3.4 * 3, rel=0.12) and scene.rooms[1].area_m2 == pytest.approx(
        2.4 * 3, rel=0.12
    )
    assert scene.room_at(world(1, 1, 1)) == 0 and scene.room_at(world(5, 1, 1)) == 1
    assert scene.room_at(world(9, 1, 1)) == 1  # the nearest


def test_places_are_free_apart_and_connected_through_the_door(scene):
    cells = np.array([place.cell for place in scene.places])
    assert scene.grid.free[tuple(cells.T)].all()
    gaps = [np.linalg.norm(np.subtract(a, b)) for a, b in itertools.combinations(cells, 2)]
    assert min(gaps) * scene.grid.cell_m >= SceneSettings().place_m - 1e-9
    graph = nx.Graph(scene.ways)
    ends = [min(scene.places, key=lambda p: np.linalg.norm(p.position - world(x, 1.5, 0))).id for x in (1, 5)]
    assert nx.has_path(graph, *ends) and ends[0] != ends[1]
    for place in scene.places:
        assert 0 < place.clearance_m < 1.6


def test_the_graph_holds_everything_and_survives_json_and_graphml(scene, tmp_path):
    graph = scene_graph(scene)
    layers = [layer for _, layer in graph.nodes(data="layer")]
    assert {layer: layers.count(layer) for layer in set(layers)} == {
        "building": 1,
        "room": 2,
        "place": len(scene.places),
        "object": 3,
    }
    for thing in scene.objects:
        holder = [n for n in graph[f"object {thing.id}"] if n.startswith("room")]
        assert holder == [f"room {int((UP_WORLD.T @ thing.centroid)[0] > 3.5)}"]
    assert nx.is_connected(graph)
    back = nx.node_link_graph(json.loads(json.dumps(nx.node_link_data(graph, edges="edges"))), edges="edges")
    assert nx.utils.graphs_equal(graph, back) and back.graph["up"] == pytest.approx([0, -1, 0], abs=1e-3)
    nx.write_graphml(flat_graph(graph), tmp_path / "g.graphml")
    read = nx.read_graphml(tmp_path / "g.graphml")
    assert set(read.edges) == set(flat_graph(graph).edges)
    assert [read.nodes["object 0"][axis] for axis in "xyz"] == pytest.approx(scene.objects[0].centroid, abs=1e-4)
    assert json.loads(read.nodes["object 0"]["box"]) == graph.nodes["object 0"]["box"]


def test_small_patches_and_other_label_spaces_words_for_walls_are_no_objects(scene):
    space = scene.label_space
    renamed = space.model_copy(update={"names": ("void", "Wall", "floor", "Ceiling", "road", "chair")})
    found = find_objects(scene.mesh, scene.grid.T_world_floor, renamed, SceneSettings(min_object_area_m2=1.3), VOXEL)
    assert [thing.class_name for thing in found] == ["chair"]
    smaller = find_objects(scene.mesh, scene.grid.T_world_floor, space, SceneSettings(min_object_area_m2=10), VOXEL)
    assert smaller == []


def test_pieces_are_the_connected_components_of_touching_cells():
    points = np.random.default_rng(3).uniform(0, 1, (150, 3))
    piece = _pieces(points, 0.1)
    cell = np.floor(points / 0.1)
    near = nx.from_numpy_array(np.abs(cell[:, None] - cell[None]).max(-1) <= 1)
    expected = {frozenset(part) for part in nx.connected_components(near)}
    assert {frozenset(np.flatnonzero(piece == i).tolist()) for i in np.unique(piece)} == expected and len(expected) > 5
