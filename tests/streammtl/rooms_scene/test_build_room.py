"""Whole rooms: the contract of a scene, repeatability, closed shells, and where things stand."""

import dataclasses

import numpy as np
import pytest

from mapping.surface.room_rays import SceneCaster
from streammtl.data.rooms.build import build_room
from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.layout.plan import KINDS, inside
from streammtl.errors import ConfigError, DataError

SEEDS = dict(enumerate(KINDS))
FIELDS = ("corners", "uv", "normals", "material", "label", "instance")


@pytest.fixture(scope="module")
def rooms():
    return {kind: build_room(seed, kind=kind) for seed, kind in SEEDS.items()}


def digest(scene):
    arrays = [getattr(scene.mesh, name) for name in FIELDS] + [scene.floor, scene.points_of_interest]
    materials = [(m.colour, m.specular, m.gloss, m.emission) for m in scene.materials]
    textures = [None if m.texture is None else m.texture.tobytes() for m in scene.materials]
    lights = [(l.centre.tobytes(), l.edges.tobytes(), l.power.tobytes(), l.directed) for l in scene.lights]
    return [a.tobytes() for a in arrays], materials, textures, lights, scene.ambient, scene.height_m


def test_the_same_seed_gives_the_same_room_bit_for_bit_whatever_came_before():
    first = digest(build_room(4, kind="kitchen"))
    build_room(5, kind="office")
    assert digest(build_room(4, kind="kitchen")) == first
    assert digest(build_room(6, kind="kitchen")) != first


def test_without_a_kind_rooms_of_several_kinds_come_up():
    assert len({build_room(seed).kind for seed in range(8)}) >= 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_mesh_keeps_the_contract(rooms, kind):
    scene, mesh = rooms[kind], rooms[kind].mesh
    count = len(mesh.corners)
    shapes = {"corners": (3, 3), "uv": (3, 2), "normals": (3, 3), "material": (), "label": (), "instance": ()}
    types = {"material": np.int32, "label": np.uint8, "instance": np.int32}
    for name in FIELDS:
        array = getattr(mesh, name)
        assert array.shape == (count, *shapes[name])
        assert array.dtype == types.get(name, np.float32)
        assert np.isfinite(array).all()
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=-1), 1.0, atol=1e-3)
    assert mesh.label.min() >= 1 and mesh.label.max() <= 40
    assert mesh.material.min() >= 0 and mesh.material.max() < len(scene.materials)
    assert {Label.WALL, Label.FLOOR, Label.CEILING} <= set(mesh.label.tolist())
    assert count > 1500


@pytest.mark.parametrize("kind", KINDS)
def test_textures_are_small_and_colours_are_physical(rooms, kind):
    for material in rooms[kind].materials:
        assert min(material.colour) >= 0.0 and max(material.colour) <= 1.0
        assert 0.0 <= material.specular <= 1.0 and material.emission >= 0.0
        if material.texture is not None:
            assert material.texture.dtype == np.uint8
            assert material.texture.ndim == 3 and max(material.texture.shape[:2]) <= 256


@pytest.mark.parametrize("kind", KINDS)
def test_no_ray_from_within_gets_out(rooms, kind):
    scene, rng = rooms[kind], np.random.default_rng(0)
    low, high = scene.floor.min(axis=0), scene.floor.max(axis=0)
    points = rng.uniform([*low, 0.0], [*high, scene.height_m], (4000, 3))
    points = points[inside(scene.floor, points[:, :2])]
    directions = rng.normal(size=points.shape)
    rays = np.concatenate([points, directions / np.linalg.norm(directions, axis=1, keepdims=True)], axis=1)
    distance = SceneCaster(scene).at(0.0).hits(rays.astype(np.float32)).distance
    assert np.isfinite(np.asarray(distance)).mean() > 0.9995


@pytest.mark.parametrize("kind", KINDS)
def test_lights_shine_into_the_room(rooms, kind):
    scene = rooms[kind]
    for light in scene.lights:
        assert light.centre.shape == (3,) and light.edges.shape == (2, 3) and (light.power > 0).all()
        axis = np.cross(light.edges[0], light.edges[1])
        ahead = light.centre + 0.3 * axis / np.linalg.norm(axis)
        if light.directed:
            assert inside(scene.floor, ahead[None, :2])[0] and 0.0 < ahead[2] < scene.height_m


def test_what_people_film_lies_in_the_room(rooms):
    for scene in rooms.values():
        points = scene.points_of_interest
        assert points.dtype == np.float32
        assert inside(scene.floor, points[:, :2].astype(float)).all()
        assert (points[:, 2] < scene.height_m).all()


def test_kitchens_offices_and_bathrooms_hold_what_they_are_named_for(rooms):
    wanted = {
        "kitchen": {Label.CABINET, Label.COUNTER},
        "office": {Label.DESK, Label.CHAIR, Label.TELEVISION},
        "bedroom": {Label.BED, Label.PILLOW},
        "living": {Label.SOFA},
        "classroom": {Label.TABLE, Label.CHAIR},
    }
    for kind, labels in wanted.items():
        assert labels <= set(rooms[kind].mesh.label.tolist())


def test_every_object_has_one_instance_and_structure_has_its_own(rooms):
    mesh = rooms["office"].mesh
    structure = np.isin(mesh.label, [Label.FLOOR, Label.CEILING])
    for instance in np.unique(mesh.instance[structure & (mesh.corners[..., 2].max(axis=1) < 0.01)])[:1]:
        assert set(mesh.label[mesh.instance == instance].tolist()) == {Label.FLOOR}
    assert len(np.unique(mesh.instance)) > 20


def test_people_move_in_some_rooms_and_start_inside():
    moving = [(scene, part) for scene in (build_room(s, kind="corridor") for s in range(24)) for part in scene.moving]
    assert 1 <= len(moving) <= 12
    for scene, part in moving:
        assert set(part.mesh.label.tolist()) == {Label.PERSON}
        assert inside(scene.floor, part.mesh.corners.reshape(-1, 3)[:, :2].astype(float)).mean() > 0.99
        assert np.linalg.norm(part.velocity) < 1.0
        assert not np.isin(part.mesh.instance, scene.mesh.instance).any()


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match="choose one of"):
        build_room(0, kind="submarine")


def test_a_folder_without_models_is_refused(tmp_path):
    with pytest.raises(DataError, match="no furniture models"):
        build_room(0, furniture=tmp_path)


def test_the_contract_is_frozen(rooms):
    with pytest.raises(dataclasses.FrozenInstanceError):
        rooms["kitchen"].seed = 3
