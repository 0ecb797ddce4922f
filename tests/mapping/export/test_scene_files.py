"""Objects, scene graph, occupancy grid and floor plan of two rooms made of boxes, read back from their files."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import networkx as nx
import numpy as np
import pytest
import yaml
from PIL import Image

from mapping.export import export_map
from mapping.export.drawing import Drawing, text_width
from mapping.export.floor_plan import FLOOR, INK, PAPER
from mapping.store import MapWriter, StoreSettings, open_map
from streammtl.errors import MapError
from tests.mapping.store.tiny_maps import header
from tests.mapping.two_rooms import TABLE_BOX, UP_WORLD, VOXEL


def test_objects_come_as_json(two_rooms, tmp_path):
    document = json.loads(export_map(two_rooms, tmp_path / "objects.json").read_text())
    assert [thing["class"] for thing in document["objects"]] == ["table", "chair", "chair"]
    assert document["unit"] == "metre" and document["label_space"] == "boxes"
    table = document["objects"][0]
    np.testing.assert_allclose(table["box"]["centre"], UP_WORLD @ TABLE_BOX[0], atol=VOXEL)
    R = np.array(table["box"]["rotation"])
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-5)
    np.testing.assert_allclose(R[:, 2], document["up"], atol=1e-5)
    assert table["id"] == 0 and table["class_id"] == 4 and 0 < table["confidence"] <= 1


def test_the_scene_graph_comes_as_json_and_graphml(two_rooms, tmp_path):
    document = json.loads(export_map(two_rooms, tmp_path / "scene_graph.json").read_text())
    graph = nx.node_link_graph(document, edges="edges")
    plain = nx.read_graphml(export_map(two_rooms, tmp_path / "g.graphml"))
    assert set(graph.nodes) == set(plain.nodes) and graph.number_of_edges() == plain.number_of_edges()
    assert {data["class"] for _, data in graph.nodes(data=True) if data["layer"] == "object"} == {"table", "chair"}
    for name, data in graph.nodes(data=True):
        assert [plain.nodes[name][axis] for axis in "xyz"] == pytest.approx(data["position"])


@pytest.mark.parametrize("name", ["floor.yaml", "floor.pgm"])
def test_an_occupancy_grid_reads_as_ros_reads_it(two_rooms, tmp_path, name):
    export_map(two_rooms, tmp_path / name)
    note = yaml.safe_load((tmp_path / "floor.yaml").read_text())
    image = np.asarray(Image.open(tmp_path / note["image"]))
    T = np.array(note["T_world_floor"]).reshape(4, 4)
    assert set(np.unique(image)) == {0, 205, 254} and (note["negate"], note["mode"]) == (0, "trinary")

    def state(x, y):
        """What a map server makes of the cell that holds a point of the scene's own axes."""
        local = np.linalg.inv(T) @ [*(UP_WORLD @ (x, y, 0)), 1]
        column, row = ((local[:2] - note["origin"][:2]) / note["resolution"]).astype(int)
        occupied = (255 - image[image.shape[0] - 1 - row, column]) / 255
        return 1 if occupied > note["occupied_thresh"] else 0 if occupied < note["free_thresh"] else -1

    assert [state(0.8, 1.0), state(5.0, 2.4), state(3.5, 1.6)] == [0, 0, 0]
    assert max(state(1.0, 2.1 + d) for d in (-0.05, 0, 0.05)) == 1  # the edge of the table
    assert state(-0.15, -0.15) == -1


def test_a_floor_plan_shows_floor_walls_and_things(two_rooms, tmp_path):
    export_map(two_rooms, tmp_path / "my_plan.png")
    image = np.asarray(Image.open(tmp_path / "my_plan.png")).astype(int)
    share = {colour: (np.abs(image - colour).max(-1) < 3).mean() for colour in (PAPER, FLOOR, INK)}
    assert share[FLOOR] > 0.4 and 0.04 < share[INK] < 0.2 and share[PAPER] > 0.1
    table = np.array([30, 128, 25]) / 2 + 127.5
    assert 0.01 < (np.abs(image - table).max(-1) < 3).mean() < 0.06
    svg = ET.parse(export_map(two_rooms, tmp_path / "floor.svg")).getroot()
    words = [node.text for node in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"table", "chair", "Room 1", "Room 2", "Floor plan"} <= set(words)
    assert (int(svg.get("width")), int(svg.get("height"))) == image.shape[1::-1]


def test_a_drawing_is_painted_in_order_with_holes_and_dashes(tmp_path):
    drawing = Drawing(100, 60, (255, 255, 255))
    square = np.array([(10, 10), (90, 10), (90, 50), (10, 50)])
    drawing.area(square, 20 + (square - 10) * 0.25, fill=(200, 0, 0))
    drawing.line(np.array([(0, 5), (100, 5)]), (0, 0, 200), 4, dash=10)
    drawing.words((50, 55), "5 m² & <more>", 9, (0, 0, 0), "middle")
    drawing.write_png(tmp_path / "d.png")
    image = np.asarray(Image.open(tmp_path / "d.png")).astype(int)
    assert image[40, 80].tolist() == [200, 0, 0] and image[24, 28].tolist() == [255, 255, 255]
    assert image[5, 5] == pytest.approx([0, 0, 200], abs=12) and image[5, 15] == pytest.approx([255] * 3, abs=12)
    ink = np.argwhere(image.max(-1) < 128)[:, 1]
    assert ink.min() == pytest.approx(50 - text_width("5 m² & <more>", 9) / 2, abs=2)
    drawing.write_svg(tmp_path / "d.svg")
    assert ET.parse(tmp_path / "d.svg").getroot()[-1].text == "5 m² & <more>"


def test_a_map_without_a_surface_has_no_scene(tmp_path):
    with MapWriter.create(tmp_path / "m.zarr", header(), StoreSettings(durable=False)):
        pass
    for name in ("objects.json", "plan.png", "grid.yaml", "scene_graph.json"):
        with pytest.raises(MapError, match="no surface to read a scene from"):
            export_map(open_map(tmp_path / "m.zarr"), tmp_path / name)
