"""Groups of things that belong together, shared by several kinds of rooms."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.layout.placing import Layout, Placed
from streammtl.data.rooms.layout.plan import Wall, inside
from streammtl.data.rooms.piece import Piece, rotation_z
from streammtl.data.rooms.pieces import chairs, devices, hangings, plants, small, soft, storage, tables
from streammtl.data.rooms.supply import Supply
from streammtl.data.rooms.textures import colours
from streammtl.data.rooms.textures.bank import plain


def clutter(layout: Layout, supply: Supply, base: Placed | None, choice: dict[small.Maker, float], count: int) -> None:
    """Small things on a piece: about `count`, and more where its tops are large. Some people keep tables tidy."""
    if base is None:
        return
    area = sum((t.high[0] - t.low[0]) * (t.high[1] - t.low[1]) for t in base.piece.tops)
    more = area * 10.0 ** layout.rng.uniform(0.3, 1.35)
    layout.scatter(base, lambda _: supply.small(choice), min(int(0.6 * count + more), 45))


def one_chair(supply: Supply) -> Piece:
    """A chair for a table, to be used for the whole set."""
    return supply.of(chairs.chair, (Label.CHAIR,), largest=(0.65, 0.7, 1.2), share=0.45, most=4_000)


def chairs_around(layout: Layout, base: Placed, chair: Piece, share: float = 0.8, ends: bool = True) -> None:
    """Chairs at the long sides and ends of a table, pulled out and turned a little, each its own way."""
    rng = layout.rng
    width, depth, _ = base.piece.size
    seats = max(1, int(width / 0.62))
    spots = [((k + 0.5) / seats * width - width / 2, side) for k in range(seats) for side in (0, 1)]
    spots += [(0.0, 2 + side) for side in (0, 1)] if ends else []
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


def around(layout: Layout, base: Placed, chair: Piece, count: int) -> None:
    """Chairs around a round table."""
    radius = base.piece.size[0] / 2
    middle, start = base.world((0.0, radius, 0.0)), layout.rng.uniform(0, 6.3)
    for k in range(count):
        turn = start + 2 * np.pi * k / count
        reach = radius + chair.size[1] - layout.rng.uniform(-0.1, 0.25)
        at = middle[:2] + reach * np.array([np.cos(turn), np.sin(turn)])
        layout.stand(chair, at, turn + np.pi / 2, beside=base)


def in_the_middle(layout: Layout, piece: Piece, gap: float = 0.6, tries: int = 24) -> Placed | None:
    """Stands a piece free in the room, mostly square to the walls, with a way around it."""
    rng = layout.rng
    low, high = layout.floor.min(axis=0), layout.floor.max(axis=0)
    for trial in range(tries):
        yaw = float(rng.choice([0, 0.5, 1.0, 1.5]) * np.pi + (rng.normal(0, 0.15) if rng.random() < 0.2 else 0.0))
        centre = low + (high - low) * rng.uniform(0.2, 0.8, 2)
        at = np.array([*centre, 0.0]) - rotation_z(yaw) @ np.array([0.0, piece.size[1] / 2, 0.0])
        placed = layout.stand(piece, at, yaw, gap * (1 - 0.7 * trial / tries))
        if placed:
            return placed
    return None


def dining(
    layout: Layout, supply: Supply, things: int, wall: bool | None = None, size: tuple | None = None
) -> Placed | None:
    """A table with chairs and things on it, free-standing or with one side to a wall."""
    rng, style = layout.rng, supply.style
    round_ = size is None and supply.chance(0.15)
    if round_:
        piece = tables.round_table(rng, style, float(rng.uniform(0.4, 0.65)), float(rng.uniform(0.7, 0.76)))
    elif size is not None:
        piece = tables.table(rng, style, size)
    else:
        names = ("table",)
        piece = supply.of(tables.table, (Label.TABLE,), largest=(2.2, 1.2, 0.85), share=0.4, names=names)
    wall = supply.chance(0.3) if wall is None else wall
    placed = layout.against_wall(piece) if wall else in_the_middle(layout, piece) or layout.against_wall(piece)
    if placed is None:
        return None
    if round_:
        around(layout, placed, one_chair(supply), supply.count(2, 4))
    elif piece.size[2] > 0.6:
        chairs_around(layout, placed, one_chair(supply), ends=piece.size[0] > 1.4)
    clutter(layout, supply, placed, small.ON_TABLE, things)
    return placed


def workplace(layout: Layout, supply: Supply, placed: Placed, things: int) -> None:
    """Fills a desk: monitors, keyboard, papers, a chair in front and a computer below."""
    rng = layout.rng
    width, depth, _ = placed.piece.size
    if placed.piece.tops and supply.chance(0.85):
        count = supply.count(1, 2) if width > 1.2 else 1
        shift = rng.uniform(-0.15, 0.15) * width
        for k in range(count):
            x = shift + (k - (count - 1) / 2) * 0.62
            layout.on_top(placed, devices.monitor(rng), x, 0.18, (k - (count - 1) / 2) * -0.3 + rng.normal(0, 0.08))
        layout.on_top(placed, devices.keyboard(rng), shift, depth - 0.16, rng.normal(0, 0.06))
    clutter(layout, supply, placed, small.ON_DESK, things)
    if supply.chance(0.9):
        chair = supply.of(chairs.office_chair, (Label.CHAIR,), largest=(0.75, 0.8, 1.4), share=0.4)
        reach = chair.size[1] + rng.uniform(-0.25, 0.35)
        at = placed.world((rng.uniform(-0.2, 0.2) * width, depth + reach, 0.0))
        layout.stand(chair, at[:2], placed.yaw + np.pi + rng.normal(0, 0.5), beside=placed)
    if supply.chance(0.5):
        layout.put(devices.cables(rng, placed.piece.size[2] - 0.05), placed.at, placed.yaw, solid=False)
    if supply.chance(0.4):
        at = placed.world((rng.choice([-1, 1]) * (width / 2 - 0.2), 0.1, 0.0))
        layout.put(devices.computer(rng), at, placed.yaw, solid=False)


def desks_at_walls(layout: Layout, supply: Supply, count: int) -> None:
    """Work places along the walls, some with a shelf above."""
    rng = layout.rng
    for _ in range(count):
        piece = supply.of(tables.desk, (Label.DESK,), largest=(2.0, 1.0, 0.95), share=0.3)
        placed = layout.against_wall(piece)
        if placed:
            workplace(layout, supply, placed, supply.count(5, 14))
            if supply.chance(0.35):
                above(layout, storage.wall_shelf(rng, supply.style, float(rng.uniform(0.6, 1.2))), placed, 1.25, 1.5)


def above(layout: Layout, piece: Piece, placed: Placed, low: float, high: float) -> Placed | None:
    """Hangs a piece on the wall above another that stands against it."""
    wall, at = wall_behind(layout, placed)
    return layout.at_wall(piece, wall, at + layout.rng.normal(0, 0.1), z=float(layout.rng.uniform(low, high)), off=0.0)


def wall_behind(layout: Layout, placed: Placed) -> tuple[Wall, float]:
    """The wall behind a piece and how far along it the piece stands."""

    def distance(wall: Wall) -> float:
        return abs(float((placed.at[:2] - wall.start) @ wall.inward)) + 9 * abs(float(np.sin(wall.yaw - placed.yaw)))

    wall = min(layout.walls, key=distance)
    return wall, float((placed.at[:2] - wall.start) @ wall.along)


def shelves_at_walls(layout: Layout, supply: Supply, count: int, filled: str = "books") -> None:
    """Bookshelves, things on top of them too."""

    def make(rng: np.random.Generator, style: object) -> Piece:
        return storage.shelf(rng, supply.style, filled=filled)

    for _ in range(count):
        piece = supply.of(make, (Label.BOOKSHELF, Label.SHELVES), share=0.15)
        clutter(layout, supply, layout.against_wall(piece), small.ON_SHELF, 4)


def cabinets_at_walls(layout: Layout, supply: Supply, count: int, things: int = 7) -> list[Placed]:
    """Low and high cabinets with things on top."""
    done = []
    labels = (Label.CABINET, Label.DRESSER, Label.OTHER_FURNITURE)
    for _ in range(count):
        placed = layout.against_wall(supply.of(storage.cabinet, labels, share=0.5))
        if placed:
            clutter(layout, supply, placed, small.ON_TABLE, things)
            done.append(placed)
    return done


def wall_things(layout: Layout, supply: Supply, count: int) -> None:
    """Pictures, notes, clocks, shelves, switches on the walls where there is room."""
    rng, style = layout.rng, supply.style
    makers = (
        (0.38, lambda: hangings.picture(rng, style), 1.0, 1.6),
        (0.2, lambda: hangings.notes(rng), 1.0, 1.5),
        (0.06, lambda: hangings.clock(rng), 1.7, 2.0),
        (0.16, lambda: hangings.switches(rng), 0.25, 1.2),
        (0.12, lambda: storage.wall_shelf(rng, style, float(rng.uniform(0.4, 1.2))), 1.1, 1.7),
    )
    weights = np.array([m[0] for m in makers])
    for _ in range(count):
        _, make, low, high = makers[int(rng.choice(len(makers), p=weights / weights.sum()))]
        layout.hang(make(), low, high)
    labels = (Label.OTHER_PROP, Label.OTHER_STRUCTURE, Label.LAMP, Label.CLOTHES)
    for _ in range(supply.count(0, 4)):
        piece = supply.model(labels, "wall", largest=(1.0, 0.6, 1.0))
        if piece is not None:
            layout.hang(piece, 0.9, 1.9)


def floor_things(layout: Layout, supply: Supply, count: int) -> None:
    """Boxes in piles, bags, bins, plants and lamps that stand about, nearly all of them at the walls."""
    rng = layout.rng
    for _ in range(count):
        kind = rng.random()
        if kind < 0.3:
            piece = supply.of(lambda r, _: storage.crate(r), (Label.BOX,), share=0.2)
        elif kind < 0.42:
            names = ("plant", "tree", "ficus")
            piece = supply.of(lambda r, _: plants.plant(r, float(r.uniform(0.4, 1.9))), (), share=0.3, names=names)
        elif kind < 0.5:
            piece = devices.shaded_lamp(rng, float(rng.uniform(1.3, 1.8)), float(rng.uniform(0.15, 0.25)))
        elif kind < 0.56:
            piece = chairs.stool(rng, supply.style)
        else:
            piece = supply.of(lambda r, _: small.any_small(r, small.ON_FLOOR), (Label.OTHER_PROP,), share=0.45)
        placed = layout.stand_anywhere(piece) if supply.chance(0.12) else layout.against_wall(piece, tries=8)
        if placed and piece.label == Label.BOX and supply.chance(0.6):
            layout.scatter(placed, storage.crate, supply.count(1, 2))
            clutter(layout, supply, placed, small.ON_SHELF, 1)


def fill_walls(layout: Layout, supply: Supply, share: float, kinds: dict[str, float]) -> None:
    """Goes on putting furniture along the walls until a share of their length is taken."""
    total = sum(w.length for w in layout.walls)
    weights = np.array(list(kinds.values()))
    for _ in range(30):
        if sum(b - a for w in layout.walls for a, b in w.free_spans(0.0, 0.5)) < (1 - share) * total:
            return
        kind = list(kinds)[int(layout.rng.choice(len(kinds), p=weights / weights.sum()))]
        if kind == "cabinet":
            cabinets_at_walls(layout, supply, 1)
        elif kind in ("books", "folders", "things"):
            shelves_at_walls(layout, supply, 1, kind)
        elif kind == "desk":
            desks_at_walls(layout, supply, 1)
        elif kind == "chair":
            layout.against_wall(one_chair(supply))
        elif kind == "sofa":
            layout.against_wall(supply.of(soft.sofa, (Label.SOFA,)))
        else:
            floor_things(layout, supply, 1)


def pipes(layout: Layout, supply: Supply) -> None:
    """Trunking, pipes and cables along walls."""
    rng = layout.rng
    for _ in range(supply.count(0, 4)):
        wall = layout.walls[int(rng.integers(len(layout.walls)))]
        finish = plain(colours.white(rng) if rng.random() < 0.6 else colours.dark(rng))
        thick = float(rng.uniform(0.01, 0.06))
        if rng.random() < 0.5:
            low, high = sorted(rng.uniform(0.0, wall.length, 2))
            piece = Piece((high - low, thick, thick), Label.OTHER_STRUCTURE)
            piece.box((-(high - low) / 2, 0.0, 0.0), ((high - low) / 2, thick, thick), finish)
            layout.at_wall(piece, wall, 0.5 * (low + high), float(rng.choice([0.1, 1.0, layout.height - 0.2])), off=0.0)
        else:
            piece = Piece((2 * thick, 2 * thick, layout.height - 0.01), Label.OTHER_STRUCTURE)
            piece.pole((0, thick, 0), (0, thick, layout.height - 0.01), thick, finish)
            layout.at_wall(piece, wall, float(rng.choice([0.1, wall.length - 0.1])), off=0.0)


def carpet(layout: Layout, width: float, depth: float, below: Placed | None = None) -> None:
    """A rug on the floor, below a group of furniture or anywhere inside."""
    rng = layout.rng
    if below is not None:
        centre, yaw = below.world((0.0, below.piece.size[1] / 2, 0.0)), below.yaw
    else:
        low, high = layout.floor.min(axis=0), layout.floor.max(axis=0)
        centre = np.array([*(low + (high - low) * rng.uniform(0.3, 0.7, 2)), 0.0])
        yaw = float(rng.choice([0.0, np.pi / 2]))
    piece = soft.rug(rng, width, depth)
    at = centre - rotation_z(yaw) @ np.array([0.0, depth / 2, 0.0])
    at[2] = 0.0
    if inside(layout.floor, layout.block(piece, at, yaw).corners()).all():
        layout.put(piece, at, yaw, solid=False)
