"""Places: descriptors, their pooling, memory that is bounded, and recognition that geometry decides."""

import numpy as np
import pytest

from mapping.slam.lens import Lens
from mapping.slam.places import Place, Places, describe, pool
from mapping.slam.recognition import look, match, recognise
from mapping.slam.rigid import inverse, rotation_angle_deg, rotation_matrix, transform


def place_of(room, T_world_cam, index=0, component=0):
    """A place with true landmarks."""
    image, depth = room.render(T_world_cam)
    seen = look(image[..., 0])
    column, row = np.rint(seen.uv).astype(int).T
    xyz = Lens(room.camera).rays(seen.uv) * depth[row, column, None]
    pooled = pool(seen.descriptors)
    uv, xyz = seen.uv.astype(np.float32), xyz.astype(np.float32)
    return Place(index, component, T_world_cam, uv, xyz, seen.descriptors, pooled)


def looking(turn_deg, x=0.0):
    T = np.eye(4)
    T[:3, :3] = rotation_matrix(np.array([0.0, np.radians(turn_deg), 0.0]))
    T[0, 3] = x
    return T


@pytest.fixture(scope="module")
def around(box_room):
    """Six places all around the room."""
    places = Places(most=10)
    for i in range(6):
        places.add(place_of(box_room, looking(60 * i), index=i))
    return places


def test_descriptors_say_which_points_they_belong_to(box_room):
    grey = box_room.render(np.eye(4))[0][..., 0]
    uv = np.array([[1.0, 1.0], [100.0, 80.0], [319.0, 10.0], [200.0, 150.0]])
    seen = describe(grey, uv)
    assert seen.rows.tolist() == [1, 3] and np.array_equal(seen.uv, uv[[1, 3]])
    assert np.array_equal(seen.descriptors[1], describe(grey, uv[3:]).descriptors[0])
    assert describe(grey, np.zeros((0, 2))).descriptors.shape == (0, 32)


def test_pooled_descriptors_have_unit_length_and_no_order():
    descriptors = np.random.default_rng(0).integers(0, 256, (50, 32)).astype(np.uint8)
    pooled = pool(descriptors)
    assert np.linalg.norm(pooled) == pytest.approx(1.0, abs=1e-6)
    assert np.allclose(pooled, pool(descriptors[::-1]))
    assert not pool(descriptors[:0]).any()


def test_matches_are_the_mutually_nearest_by_a_margin():
    rng = np.random.default_rng(1)
    theirs = rng.integers(0, 256, (40, 32)).astype(np.uint8)
    flips = np.packbits(rng.random((30, 256)) < 0.06, axis=1)
    order = rng.permutation(40)[:30]
    mine = np.concatenate([theirs[order] ^ flips, rng.integers(0, 256, (10, 32)).astype(np.uint8)])
    rows, points = match(mine, theirs)
    assert np.array_equal(points, order[rows]) and len(rows) >= 28
    distance = np.unpackbits(mine[:, None] ^ theirs[None], axis=2).sum(axis=2)
    assert np.array_equal(distance[rows].argmin(axis=1), points)
    assert np.array_equal(distance[:, points].argmin(axis=0), rows)


def test_a_view_between_places_is_posed_by_the_right_one(box_room, around):
    T_world_cam = looking(127, x=0.15)
    seen = look(box_room.render(T_world_cam)[0][..., 0])
    found = recognise(seen.uv, seen.descriptors, box_room.camera, around.all, seed=0)
    assert found.place.index == 2
    error = inverse(T_world_cam) @ found.place.T_world_cam @ found.T_place_cam
    assert np.linalg.norm(error[:3, 3]) < 0.02 and rotation_angle_deg(error[:3, :3]) < 0.3
    uv, _ = Lens(box_room.camera).project(
        transform(found.place.T_world_cam, found.place.xyz[found.points]), T_world_cam
    )
    assert np.median(np.linalg.norm(uv - seen.uv[found.features], axis=1)) < 2.0


def test_another_room_noise_and_blank_walls_are_no_place(box_room, other_room, around):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320)).astype(np.uint8)
    for grey in (other_room.render(looking(120))[0][..., 0], noise, np.full((240, 320), 90, np.uint8)):
        seen = look(grey)
        assert recognise(seen.uv, seen.descriptors, box_room.camera, around.all, seed=0) is None


def test_the_place_that_looks_most_alike_comes_first(box_room, around):
    pooled = pool(look(box_room.render(looking(125))[0][..., 0]).descriptors)
    every = np.ones(6, bool)
    assert around.alike(pooled, 3, every)[0].index == 2
    assert [place.index for place in around.alike(pooled, 9, np.arange(6) == 4)] == [4]


def test_memory_is_bounded_and_thinned_where_places_lie_densest(box_room):
    places = Places(most=4)
    one = place_of(box_room, np.eye(4))
    for index, x in enumerate([0.0, 1.0, 1.1, 2.0, 3.0, 4.0]):
        places.add(Place(index, 0, looking(0, x), one.uv, one.xyz, one.descriptors, one.pooled))
    assert len(places) == 4 and {0, 5} <= set(places.index.tolist())
    assert not {1, 2} <= set(places.index.tolist())


def test_places_survive_as_plain_arrays(around):
    restored = Places(most=10)
    restored.from_arrays(around.to_arrays())
    for mine, theirs in zip(around.all, restored.all, strict=True):
        for name in ("index", "component", "T_world_cam", "uv", "xyz", "descriptors", "pooled"):
            assert np.array_equal(getattr(mine, name), getattr(theirs, name))
