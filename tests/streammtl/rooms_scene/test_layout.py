"""Where things may stand: overlap against a slow reference, walls, doors, tables with chairs, floor to walk on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.layout.occupancy import Block, Occupancy
from streammtl.data.rooms.layout.openings import add_door, add_window
from streammtl.data.rooms.layout.placing import Layout
from streammtl.data.rooms.layout.plan import KINDS, Wall, inside, outline, rectangles, walls_of
from streammtl.data.rooms.layout.shell import Hole, build_shell, wall_shape
from streammtl.data.rooms.layout.walking import BODY_M, CELL_M, walkable
from streammtl.data.rooms.piece import Piece, Top
from streammtl.data.rooms.programmes import zones
from streammtl.data.rooms.style import any_style
from streammtl.data.rooms.textures.bank import plain

FLOOR = np.array([[0.0, 0.0], [5.0, 0.0], [5.0, 4.0], [0.0, 4.0]])


def layout_of(seed=0, floor=FLOOR):
    return Layout(np.random.default_rng(seed), floor, 2.5)


def crate(width, depth, height, label=Label.BOX):
    piece = Piece((width, depth, height), label)
    piece.box((-width / 2, 0, 0), (width / 2, depth, height), plain((0.5, 0.5, 0.5)))
    piece.tops.append(Top((-width / 2, 0), (width / 2, depth), height))
    return piece


def overlap_area(first, second):
    """Area two convex polygons share, by clipping one with each edge of the other."""
    shape = first
    for a, b in zip(second, np.roll(second, -1, axis=0), strict=True):
        side = np.array([(b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]) for p in shape])
        kept = []
        for k in range(len(shape)):
            j = (k + 1) % len(shape)
            if side[k] >= 0:
                kept.append(shape[k])
            if side[k] * side[j] < 0:
                kept.append(shape[k] + side[k] / (side[k] - side[j]) * (shape[j] - shape[k]))
        if len(kept) < 3:
            return 0.0
        shape = np.array(kept)
    x, y = shape.T
    return 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


numbers = st.floats(0.05, 1.5)
places = st.floats(-1.5, 1.5)
blocks = st.builds(lambda x, y, a, b, t: Block((x, y), (a, b), t, 0.0, 1.0), places, places, numbers, numbers, places)


@settings(max_examples=300, deadline=None)
@given(blocks, blocks)
def test_two_blocks_are_free_of_each_other_exactly_when_they_share_no_area(one, other):
    taken = Occupancy()
    taken.add(one)
    shared = overlap_area(one.corners(), other.corners())
    if shared > 1e-4:
        assert not taken.free(other)
    elif shared == 0.0 and overlap_area(one.corners(1e-3), other.corners(1e-3)) == 0.0:
        assert taken.free(other)


def test_blocks_at_different_heights_do_not_meet():
    taken = Occupancy()
    index = taken.add(Block((0, 0), (1, 1), 0.3, 0.0, 0.7))
    assert taken.free(Block((0, 0), (1, 1), 0.0, 0.7, 1.0))
    assert not taken.free(Block((0, 0), (1, 1), 0.0, 0.6, 1.0))
    assert taken.free(Block((0, 0), (1, 1), 0.0, 0.6, 1.0), ignore=(index,))


@pytest.mark.parametrize("kind", KINDS)
def test_outlines_turn_counter_clockwise_and_their_rectangles_cover_them(kind):
    for seed in range(12):
        floor = outline(np.random.default_rng(seed), kind)
        x, y = floor.T
        area = 0.5 * (np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
        assert area > 2.0
        assert sum(np.prod(high - low) for low, high in rectangles(floor)) == pytest.approx(area)
        for wall in walls_of(floor):
            assert inside(floor, wall.at(wall.length / 2, 0.05)[None])[0]


def test_furniture_along_walls_stands_inside_with_its_back_to_the_wall_and_apart():
    layout = layout_of(1)
    placed = [layout.against_wall(crate(0.5 + 0.1 * k, 0.4, 0.8)) for k in range(9)]
    placed = [p for p in placed if p]
    assert len(placed) >= 6
    shapes = [layout.block(p.piece, p.at, p.yaw).corners() for p in placed]
    for k, p in enumerate(placed):
        wall, _ = zones.wall_behind(layout, p)
        assert 0.0 < (p.at[:2] - wall.start) @ wall.inward < 0.05
        assert p.world((0, 1, 0))[:2] - p.at[:2] == pytest.approx(wall.inward)
        assert inside(FLOOR, shapes[k]).all()
        assert all(overlap_area(shapes[k], other) < 1e-9 for other in shapes[k + 1 :])


def test_things_scattered_on_a_table_lie_on_it_and_apart():
    layout = layout_of(2)
    table = layout.stand(crate(1.6, 0.8, 0.75, Label.TABLE), (2.5, 1.5), 0.4)
    things = layout.scatter(table, lambda r: crate(*r.uniform(0.05, 0.3, 3)), 25)
    assert len(things) >= 8
    top = layout.block(table.piece, table.at, table.yaw)
    shapes = [layout.block(t.piece, t.at, t.yaw).corners() for t in things]
    for k, (thing, shape) in enumerate(zip(things, shapes, strict=True)):
        assert 0.75 < thing.at[2] < 0.755
        assert overlap_area(shape, top.corners()) == pytest.approx(np.prod(thing.piece.size[:2]), rel=1e-6)
        assert all(overlap_area(shape, other) < 1e-9 for other in shapes[k + 1 :])


def test_chairs_face_their_table_and_their_backs_stay_outside_of_it():
    layout = layout_of(3)
    table = layout.stand(crate(1.6, 0.9, 0.75, Label.TABLE), (2.5, 1.5), 0.2)
    before = len(layout.taken.blocks)
    chair = crate(0.45, 0.5, 0.9, Label.CHAIR)
    zones.chairs_around(layout, table, chair, share=1.0)
    chairs = layout.taken.blocks[before:]
    assert len(chairs) >= 4
    middle = layout.block(table.piece, table.at, table.yaw)
    for block in chairs:
        front = np.array([-np.sin(block.yaw), np.cos(block.yaw)])
        back = np.array(block.centre) - 0.25 * front
        assert front @ (np.array(middle.centre) - np.array(block.centre)) > 0
        probe = Block(tuple(back), (0.02, 0.02), block.yaw, 0.0, 0.5)
        assert overlap_area(probe.corners(), middle.corners()) == 0.0


def test_a_wall_loses_exactly_the_area_of_its_holes():
    wall = Wall(np.array([0.0, 0.0]), np.array([4.0, 0.0]))
    holes = [Hole(wall, 0.5, 1.4, 0.0, 2.0), Hole(wall, 2.0, 3.5, 0.9, 2.1)]
    shape = wall_shape(wall, 2.5, holes, (0.0, 2.5))
    cross = np.cross(shape.corners[:, 1] - shape.corners[:, 0], shape.corners[:, 2] - shape.corners[:, 0])
    assert 0.5 * np.linalg.norm(cross, axis=1).sum() == pytest.approx(10.0 - 0.9 * 2.0 - 1.5 * 1.2)
    np.testing.assert_allclose(shape.normals.reshape(-1, 3) @ np.array([0, 1, 0]), 1.0)


def test_nothing_is_put_before_a_door_or_over_a_window():
    layout = layout_of(4)
    style = any_style(layout.rng)
    holes = [add_door(layout, style), add_window(layout, style, 1.0)[0]]
    build_shell(layout, style, "office", holes)
    for hole in holes:
        middle = 0.5 * (hole.low + hole.high)
        assert layout.at_wall(crate(0.3, 0.3, 2.0), hole.wall, middle) is None
        assert not hole.wall.free(middle - 0.1, middle + 0.1, 1.2, 1.5)


def test_an_empty_floor_can_be_walked_on_but_for_its_rim():
    mask, _ = walkable(layout_of())
    exact = (5.0 - 2 * BODY_M) * (4.0 - 2 * BODY_M)
    assert mask.sum() * CELL_M**2 == pytest.approx(exact, abs=2 * (5 + 4) * CELL_M)


def test_a_barrier_leaves_the_larger_side():
    layout = layout_of()
    layout.put(crate(0.5, 4.0, 1.0), np.array([1.5, 0.0, 0.0]), 0.0)
    mask, centres = walkable(layout)
    assert centres[mask][:, 0].min() > 1.75
