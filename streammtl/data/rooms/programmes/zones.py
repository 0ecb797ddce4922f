"""Groups of things that belong together, shared by several kinds of rooms."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.layout.placing import Layout, Placed
from streammtl.data.rooms.piece import Piece, rotation_z
from streammtl.data.rooms.pieces import chairs, devices, hangings, plants, small, soft, storage, tables
from streammtl.data.rooms.style import Style


def chairs_around(layout: Layout, base: Placed, chair: Piece, share: float = 0.8, ends: bool = True) -> None:
    """Chairs at the long sides and ends of a table, pulled out and turned a little, each its own way."""
    rng = layout.rng
    width, depth, _ = base.piece.size
    seats = max(1, int(width / 0.62))
    spots = [((k + 0.5) / seats * width - width / 2, side) for k in range(seats) for side in (0, 1)]
    spots += [(side, 2 + side) for side in (0, 1)] if ends else []
    for x, side in spots:
        if rng.random() > share:
            continue
        pulled = rng.uniform(-0.15, 0.3) if rng.random() < 0.85 else rng.uniform(0.3, 0.6)
        reach = chair.size[1] + pulled
        if side == 0:
            local, turn = (x, depth + reach), np.pi
        elif side == 1:
            local, turn = (x, -reach), 0.0
        else:
            sign = 1 if side == 3 else -1
            local, turn = (sign * (width / 2 + reach), depth / 2), sign * np.pi / 2
        at = base.world((local[0] + rng.normal(0, 0.05), local[1], 0.0))
        layout.stand(chair, at[:2], base.yaw + turn + rng.normal(0, 0.15), beside=base)


def dining(layout: Layout, style: Style, clutter: int, wall: bool | None = None) -> Placed | None:
    """A table with chairs and things on it, free-standing or with its back to a wall."""
    rng = layout.rng
    piece = tables.table(rng, style)
    if rng.random() < 0.15:
        piece = tables.round_table(rng, style, float(rng.uniform(0.4, 0.65)), float(rng.uniform(0.7, 0.76)))
    wall = rng.random() < 0.35 if wall is None else wall
    placed = layout.against_wall(piece) if wall else in_the_middle(layout, piece)
    if placed is None:
        return None
    chair = chairs.chair(rng, style)
    if piece.size[0] == piece.size[1]:
        around(layout, placed, chair, int(rng.integers(2, 5)))
    else:
        chairs_around(layout, placed, chair, ends=piece.size[0] > 1.4)
    layout.scatter(placed, lambda r: small.any_small(r, small.ON_TABLE), clutter)
    return placed


def around(layout: Layout, base: Placed, chair: Piece, count: int) -> None:
    """Chairs around a round table."""
    radius = base.piece.size[0] / 2
    middle, start = base.world((0.0, radius, 0.0)), layout.rng.uniform(0, 6.3)
    for k in range(count):
        turn = start + 2 * np.pi * k / count
        reach = radius + chair.size[1] - layout.rng.uniform(-0.1, 0.25)
        at = middle[:2] + reach * np.array([np.cos(turn), np.sin(turn)])
        layout.stand(chair, at, turn + np.pi / 2, beside=base)


def in_the_middle(layout: Layout, piece: Piece, gap: float = 0.55, tries: int = 20) -> Placed | None:
    """Stands a piece free in the room, square to the walls, with a way around it."""
    rng = layout.rng
    low, high = layout.floor.min(axis=0), layout.floor.max(axis=0)
    for trial in range(tries):
        yaw = float(rng.choice([0, 0.5, 1.0, 1.5]) * np.pi + (rng.normal(0, 0.15) if rng.random() < 0.2 else 0.0))
        centre = low + (high - low) * rng.uniform(0.25, 0.75, 2)
        at = np.array([*centre, 0.0]) - rotation_z(yaw) @ np.array([0.0, piece.size[1] / 2, 0.0])
        placed = layout.stand(piece, at, yaw, gap * (1 - trial / tries))
        if placed:
            return placed
    return None


def workplace(layout: Layout, style: Style, clutter: int, placed: Placed) -> None:
    """Fills a desk: monitors, keyboard, papers, a chair in front and a computer below."""
    rng = layout.rng
    width, depth, _ = placed.piece.size
    if rng.random() < 0.85:
        count = int(rng.choice([1, 1, 2, 2])) if width > 1.2 else 1
        shift = rng.uniform(-0.15, 0.15) * width
        for k in range(count):
            x = shift + (k - (count - 1) / 2) * 0.62
            layout.on_top(placed, devices.monitor(rng), x, 0.18, (k - (count - 1) / 2) * -0.3 + rng.normal(0, 0.08))
        layout.on_top(placed, devices.keyboard(rng), shift, depth - 0.16, rng.normal(0, 0.06))
    layout.scatter(placed, lambda r: small.any_small(r, small.ON_DESK), clutter)
    if rng.random() < 0.9:
        chair = chairs.office_chair(rng, style) if rng.random() < 0.75 else chairs.chair(rng, style)
        reach = chair.size[1] + rng.uniform(-0.25, 0.35)
        at = placed.world((rng.uniform(-0.2, 0.2) * width, depth + reach, 0.0))
        layout.stand(chair, at[:2], placed.yaw + np.pi + rng.normal(0, 0.5), beside=placed)
    if rng.random() < 0.4:
        at = placed.world((rng.choice([-1, 1]) * (width / 2 - 0.2), 0.1, 0.0))
        layout.put(devices.computer(rng), at, placed.yaw, solid=False)


def desks_at_walls(layout: Layout, style: Style, count: int) -> None:
    """Work places along the walls."""
    rng = layout.rng
    for _ in range(count):
        placed = layout.against_wall(tables.desk(rng, style))
        if placed:
            workplace(layout, style, int(rng.integers(4, 12)), placed)
            if rng.random() < 0.35:
                hung = storage.wall_shelf(rng, style, float(rng.uniform(0.6, 1.2)))
                layout.at_wall(hung, *_wall_of(layout, placed), z=float(rng.uniform(1.2, 1.5)), off=0.0)


def _wall_of(layout: Layout, placed: Placed):
    """The wall behind a piece and how far along it the piece stands."""
    wall = min(
        layout.walls, key=lambda w: abs((placed.at[:2] - w.start) @ w.inward) + 9 * abs(np.sin(w.yaw - placed.yaw))
    )
    return wall, float((placed.at[:2] - wall.start) @ wall.along)


def shelves_at_walls(layout: Layout, style: Style, count: int, filled: str = "books") -> None:
    """Bookshelves, things on top of them too."""
    for _ in range(count):
        placed = layout.against_wall(storage.shelf(layout.rng, style, filled=filled))
        if placed:
            layout.scatter(placed, lambda r: small.any_small(r, small.ON_SHELF), 4)


def cabinets_at_walls(layout: Layout, style: Style, count: int, clutter: int = 6) -> None:
    """Low and high cabinets with things on top."""
    for _ in range(count):
        placed = layout.against_wall(storage.cabinet(layout.rng, style))
        if placed:
            layout.scatter(placed, lambda r: small.any_small(r, small.ON_TABLE), clutter)


def wall_things(layout: Layout, style: Style, count: int) -> None:
    """Pictures, notes, clocks, switches on the walls where there is room."""
    rng = layout.rng
    makers = (
        (0.42, lambda: hangings.picture(rng, style), 1.0, 1.6),
        (0.2, lambda: hangings.notes(rng), 1.0, 1.5),
        (0.08, lambda: hangings.clock(rng), 1.7, 2.0),
        (0.18, lambda: hangings.switches(rng), 0.25, 1.2),
        (0.12, lambda: storage.wall_shelf(rng, style, float(rng.uniform(0.4, 1.2))), 1.1, 1.7),
    )
    weights = np.array([m[0] for m in makers])
    for _ in range(count):
        _, make, low, high = makers[int(rng.choice(len(makers), p=weights / weights.sum()))]
        layout.hang(make(), low, high)


def floor_things(layout: Layout, style: Style, count: int) -> None:
    """Boxes, bags, bins, plants and lamps that stand about, most of them near the walls."""
    rng = layout.rng
    for _ in range(count):
        kind = rng.random()
        if kind < 0.3:
            piece = storage.crate(rng)
        elif kind < 0.45:
            piece = plants.plant(rng, float(rng.uniform(0.4, 1.9)))
        elif kind < 0.53:
            piece = devices.shaded_lamp(rng, float(rng.uniform(1.3, 1.8)), float(rng.uniform(0.15, 0.25)))
        elif kind < 0.6:
            piece = chairs.stool(rng, style)
        else:
            piece = small.any_small(rng, small.ON_FLOOR)
        placed = layout.against_wall(piece, tries=6) if rng.random() < 0.7 else layout.stand_anywhere(piece)
        if placed and rng.random() < 0.5:
            layout.scatter(placed, lambda r: small.any_small(r, small.ON_SHELF), 2)


def carpet(layout: Layout, width: float, depth: float, below: Placed | None = None) -> None:
    """A rug on the floor, below a group of furniture or anywhere inside."""
    rng = layout.rng
    if below is not None:
        centre, yaw = below.world((0.0, below.piece.size[1] / 2, 0.0)), below.yaw
    else:
        low, high = layout.floor.min(axis=0), layout.floor.max(axis=0)
        centre, yaw = (
            np.array([*(low + (high - low) * rng.uniform(0.3, 0.7, 2)), 0.0]),
            float(rng.choice([0.0, np.pi / 2])),
        )
    piece = soft.rug(rng, width, depth)
    at = centre - rotation_z(yaw) @ np.array([0.0, depth / 2, 0.0])
    at[2] = 0.0
    from streammtl.data.rooms.layout.plan import inside

    if inside(layout.floor, layout.block(piece, at, yaw).corners()).all():
        layout.put(piece, at, yaw, solid=False)
