import json

import numpy as np
import pytest

from streammtl.errors import LabelError
from streammtl.labels import LabelSpace, label_space, label_space_names
from streammtl.tasks.registry import SEMANTICS


def test_nyu40_has_its_forty_classes_and_void():
    nyu = label_space("nyu40")
    assert nyu.ids == tuple(range(41))
    assert nyu.num_classes == SEMANTICS.channels == 40
    known = {
        0: "void",
        1: "wall",
        2: "floor",
        5: "chair",
        22: "ceiling",
        24: "refrigerator",
        36: "bathtub",
        40: "otherprop",
    }
    assert {i: nyu.name_of(i) for i in known} == known
    assert nyu.id_of("otherfurniture") == 39


@pytest.mark.parametrize("name", label_space_names())
def test_names_and_colours_are_unique(name):
    space = label_space(name)
    assert len(set(space.names)) == len(set(space.palette)) == len(space.ids)
    assert space.palette[0] == (0, 0, 0)


@pytest.mark.parametrize("name", label_space_names())
def test_label_spaces_survive_json(name):
    space = label_space(name)
    assert LabelSpace.from_dict(json.loads(json.dumps(space.to_dict()))) == space


def test_scannet20_maps_to_the_classes_of_the_same_name():
    nyu, scannet = label_space("nyu40"), label_space("scannet20")
    assert scannet.num_classes == 20
    to_nyu, to_scannet = scannet.mapping_to("nyu40"), nyu.mapping_to("scannet20")
    for label_id in scannet.ids:
        assert nyu.name_of(int(to_nyu[label_id])) == scannet.name_of(label_id)
        assert to_scannet[to_nyu[label_id]] == label_id
    assert to_scannet[nyu.id_of("ceiling")] == 0
    assert (to_scannet > 0).sum() == 20
    assert np.array_equal(nyu.mapping_to("nyu40"), np.arange(41))


def test_thirteen_classes_take_all_of_the_forty_and_agree_by_way_of_scannet():
    nyu, scannet, coarse = label_space("nyu40"), label_space("scannet20"), label_space("nyu13")
    assert coarse.num_classes == 13
    to_coarse = nyu.mapping_to("nyu13")
    assert set(to_coarse[1:]) == set(coarse.ids[1:]) and to_coarse[0] == 0
    for name, wanted in (
        ("bed", "bed"),
        ("door", "wall"),
        ("desk", "table"),
        ("curtain", "window"),
        ("bag", "objects"),
    ):
        assert coarse.name_of(int(to_coarse[nyu.id_of(name)])) == wanted
    assert np.array_equal(scannet.mapping_to("nyu13"), to_coarse[scannet.mapping_to("nyu40")])


def test_colours_follow_the_palette_and_unknown_ids_are_void():
    nyu = label_space("nyu40")
    shown = nyu.colours(np.array([[1, 2], [0, 250]], np.uint8))
    assert shown.shape == (2, 2, 3)
    assert tuple(shown[0, 0]) == nyu.palette[1]
    assert tuple(shown[1, 1]) == (0, 0, 0)


def test_unknown_names_ids_spaces_and_mappings_are_refused():
    nyu = label_space("nyu40")
    for ask in (
        lambda: nyu.id_of("spaceship"),
        lambda: nyu.name_of(41),
        lambda: nyu.mapping_to("cityscapes"),
        lambda: label_space("nyu41"),
    ):
        with pytest.raises(LabelError):
            ask()


def test_a_users_own_label_space_is_read_from_its_file(tmp_path):
    classes = [{"id": 0, "name": "void", "colour": [0, 0, 0]}, {"id": 7, "name": "machine", "colour": [1, 2, 3]}]
    path = tmp_path / "factory.json"
    path.write_text(json.dumps({"name": "factory", "version": 3, "classes": classes}))
    space = label_space(str(path))
    assert (space.name, space.version, space.id_of("machine")) == ("factory", 3, 7)


@pytest.mark.parametrize(
    "text",
    ["{", '{"name": "x"}', '{"name": "x", "version": 1, "classes": [{"id": 1, "name": "a", "colour": [1, 1, 1]}]}'],
)
def test_malformed_label_spaces_are_refused(tmp_path, text):
    path = tmp_path / "own.json"
    path.write_text(text)
    with pytest.raises(LabelError):
        label_space(str(path))
