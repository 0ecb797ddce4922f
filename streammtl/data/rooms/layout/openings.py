"""Doors and windows: holes in the walls, what fills them, what lies behind, and the light that comes in."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.layout.placing import Layout
from streammtl.data.rooms.layout.plan import Wall
from streammtl.data.rooms.layout.shell import Hole
from streammtl.data.rooms.piece import Piece, rotation_x
from streammtl.data.rooms.pieces.hangings import radiator
from streammtl.data.rooms.pieces.soft import curtain
from streammtl.data.rooms.scene import Light
from streammtl.data.rooms.style import Style
from streammtl.data.rooms.textures import colours
from streammtl.data.rooms.textures.bank import Finish, covering, plain, printed


def _find_stretch(layout: Layout, width: float, margin: float, walls: list[Wall]) -> tuple[Wall, float] | None:
    walls = [w for w in walls if w.length > width + 2 * margin]
    for _ in range(10 if walls else 0):
        wall = walls[int(layout.rng.integers(len(walls)))]
        at = float(layout.rng.uniform(width / 2 + margin, wall.length - width / 2 - margin))
        if wall.free(at - width / 2 - 0.05, at + width / 2 + 0.05, 0.0, layout.height):
            return wall, at
    return None


def add_door(layout: Layout, style: Style) -> Hole | None:
    """A door, shut or partly open on a dim space, with its frame; keeps the floor before it free."""
    rng = layout.rng
    width, height = float(rng.uniform(0.76, 1.0)), min(float(rng.uniform(1.95, 2.15)), layout.height - 0.15)
    found = _find_stretch(layout, width + 0.2, 0.05, layout.walls)
    if found is None:
        return None
    wall, at = found
    wall.taken.append((at - width / 2 - 0.1, at + width / 2 + 0.1, 0.0, height + 0.1))
    kinds = (
        style.wood,
        covering(rng, "speckle", colours.white(rng)),
        style.paint,
        covering(rng, "speckle", colours.dark(rng)),
    )
    finish, frame = kinds[int(rng.integers(4))], kinds[int(rng.integers(4))]
    piece = Piece((width, 0.1, height), Label.DOOR)
    edge = float(rng.uniform(0.05, 0.09))
    for sx in (-1, 1):
        x0, x1 = sorted((sx * width / 2, sx * (width / 2 + edge)))
        piece.box((x0, -0.12, 0.0), (x1, 0.025, height + edge), frame)
    piece.box((-width / 2, -0.12, height), (width / 2, 0.025, height + edge), frame)
    angle = 0.0 if rng.random() < 0.6 else float(rng.uniform(0.15, 1.9))
    outward = rng.random() < 0.4
    _leaf(piece, rng, width, height, -angle if outward else angle, finish, style)
    if angle > 0:
        _beyond(piece, rng, width, height)
    layout.put(piece, np.array([*wall.at(at), 0.0]), wall.yaw, solid=False)
    layout.reserve(wall.at(at, 0.45), (width / 2, 0.45), wall.yaw)
    return Hole(wall, at - width / 2, at + width / 2, 0.0, height)


def _leaf(
    piece: Piece, rng: np.random.Generator, width: float, height: float, angle: float, finish: Finish, style: Style
) -> None:
    leaf = Piece((width, 0.04, height), Label.DOOR)
    leaf.box((0.0, -0.04, 0.005), (width, 0.0, height), finish)
    kind = rng.integers(0, 4)
    if kind == 1:
        for z0, z1 in ((0.15, 0.45 * height), (0.55 * height, height - 0.15)):
            for x0, x1 in ((0.1, 0.47 * width), (0.53 * width, width - 0.1)):
                leaf.box((x0, -0.048, z0), (x1, 0.008, z1), finish)
                leaf.box((x0 + 0.03, -0.05, z0 + 0.03), (x1 - 0.03, 0.011, z1 - 0.03), finish)
    elif kind == 2:
        pane = plain(colours.to_linear((0.75, 0.8, 0.82)), 0.2, 120.0, emission=float(rng.uniform(0.0, 0.4)))
        leaf.box((0.15, -0.045, rng.uniform(0.3, 1.2)), (width - 0.15, 0.004, height - 0.15), pane)
    for y in (0.0, -0.05):
        leaf.box((width - 0.1, y, 0.95), (width - 0.05, y + 0.01, 1.15), style.metal)
        leaf.bar(
            (width - 0.075, y + (0.05 if y == 0 else -0.04), 1.08),
            (width - 0.2, y + (0.05 if y == 0 else -0.04), 1.08),
            0.02,
            style.metal,
        )
    left = rng.random() < 0.5
    # The leaf's frame starts at its hinge; a right-hand hinge is a left-hand one turned about.
    if left:
        piece.merge(leaf, (-width / 2, 0.0, 0.0), angle)
    else:
        piece.merge(leaf, (width / 2, -0.04, 0.0), np.pi - angle)


def _beyond(piece: Piece, rng: np.random.Generator, width: float, height: float) -> None:
    """A plain space behind an open door."""
    half, deep, high = width / 2 + rng.uniform(0.1, 0.6), float(rng.uniform(1.0, 3.0)), height + 0.3
    wall, floor = covering(rng, "plaster", colours.white(rng)), covering(rng, "boards", colours.brown(rng))
    thin, start = 0.02, -0.13
    piece.box((-half, start - deep, -thin), (half, start, 0.0), floor, Label.FLOOR)
    piece.box((-half, start - deep - thin, 0.0), (half, start - deep, high), wall, Label.WALL)
    piece.box((-half, start - deep, high), (half, start, high + thin), wall, Label.CEILING)
    for sx in (-1, 1):
        x0, x1 = sorted((sx * half, sx * (half + thin)))
        piece.box((x0, start - deep, 0.0), (x1, start, high), wall, Label.WALL)
        x0, x1 = sorted((sx * half, sx * width / 2))
        piece.box((x0, start - thin, 0.0), (x1, start, high), wall, Label.WALL)
    piece.box((-width / 2, start - thin, height), (width / 2, start, high), wall, Label.WALL)
    piece.box((-width / 2, start, -thin), (width / 2, 0.0, 0.0), floor, Label.FLOOR)


def add_window(layout: Layout, style: Style, power: float) -> tuple[Hole, list[Light]] | None:
    """A window with frame, sill and bright panes; perhaps blinds, curtains and a radiator. `power` 0 is night."""
    rng = layout.rng
    sill = float(rng.choice([0.05, rng.uniform(0.4, 0.7), rng.uniform(0.8, 1.1), rng.uniform(0.8, 1.1)]))
    top = float(min(rng.uniform(1.9, 2.4), layout.height - 0.12))
    width = float(rng.uniform(0.6, 2.4))
    found = _find_stretch(layout, width + 0.1, 0.15, layout.walls)
    if found is None:
        return None
    wall, at = found
    wall.taken.append((at - width / 2 - 0.05, at + width / 2 + 0.05, sill - 0.05, top + 0.15))
    deep = float(rng.uniform(0.06, 0.3))
    piece = Piece((width, 0.1, top), Label.WINDOW)
    _window_frame(piece, rng, (width, sill, top, deep), power, style)
    placed = layout.put(piece, np.array([*wall.at(at), 0.0]), wall.yaw, solid=False)
    _cover(layout, wall, at, (width, sill, top))
    if sill > 0.6 and rng.random() < 0.6:
        layout.at_wall(radiator(rng, min(width, 1.6)), wall, at)
    lights = []
    if power > 0:
        # Seen from inside, across runs to the left so that across x up points into the room.
        across = np.array([*(-wall.along * width * 0.45), 0.0])
        middle = placed.world((0.0, -0.02, 0.5 * (sill + top)))
        edges = np.stack([across, np.array([0.0, 0.0, 0.45 * (top - sill)])])
        if np.cross(edges[0], edges[1]) @ np.array([*wall.inward, 0.0]) < 0:
            edges[0] = -edges[0]
        colour = np.array([1.0, 1.0, 1.0]) + rng.uniform(-0.12, 0.12) * np.array([-1.0, 0.0, 1.0])
        area = width * (top - sill)
        lights.append(
            Light(middle.astype(np.float32), edges.astype(np.float32), (power * area * colour).astype(np.float32), True)
        )
    return Hole(wall, at - width / 2, at + width / 2, sill, top), lights


def _window_frame(piece: Piece, rng: np.random.Generator, size: tuple, power: float, style: Style) -> None:
    width, sill, top, deep = size
    frame = (
        covering(rng, "speckle", colours.white(rng))
        if rng.random() < 0.65
        else [style.wood, style.metal][int(rng.integers(2))]
    )
    reveal = plain(colours.white(rng))
    x = width / 2
    piece.box((-x - 0.01, -deep, sill), (-x, 0.0, top), reveal, Label.WALL)
    piece.box((x, -deep, sill), (x + 0.01, 0.0, top), reveal, Label.WALL)
    piece.box((-x, -deep, top), (x, 0.0, top + 0.01), reveal, Label.WALL)
    piece.box(
        (-x - 0.03, -deep, sill - 0.03),
        (x + 0.03, rng.uniform(0.02, 0.12), sill),
        style.paint if rng.random() < 0.7 else style.wood,
    )
    glow = float(rng.uniform(1.2, 4.0)) if power > 0 else 0.03
    piece.box((-x, -deep - 0.02, sill), (x, -deep - 0.01, top), reveal, front=printed(rng, "outside", emission=glow))
    bar, y = float(rng.uniform(0.04, 0.08)), -deep
    columns = max(1, round(width / rng.uniform(0.5, 1.0)))
    levels = [sill, top - bar] + ([sill + rng.uniform(0.55, 0.75) * (top - sill)] if rng.random() < 0.4 else [])
    for z in levels:
        piece.box((-x, y, z), (x, y + 0.06, z + bar), frame)
    for edge in np.linspace(-x, x - bar, columns + 1):
        piece.box((edge, y, sill), (edge + bar, y + 0.06, top), frame)
    piece.bar((0.03, y + 0.08, sill + 0.5), (0.03, y + 0.08, sill + 0.62), 0.018, style.metal)


def _cover(layout: Layout, wall: Wall, at: float, size: tuple[float, float, float]) -> None:
    rng, (width, sill, top) = layout.rng, size
    kind = rng.random()
    if kind < 0.3:
        low = 0.03 if rng.random() < 0.6 else max(0.03, sill - 0.1)
        each = float(rng.uniform(0.2, 0.5)) * width
        for side in (-1, 1):
            cloth = curtain(rng, each, top + 0.12 - low)
            spot = at + side * (width / 2 - each * 0.35)
            layout.put(cloth, np.array([*wall.at(spot, 0.03), low]), wall.yaw)
        rail = Piece((width + 0.4, 0.1, 0.03), Label.OTHER_PROP)
        rail.pole((-width / 2 - 0.2, 0.09, 0.0), (width / 2 + 0.2, 0.09, 0.0), 0.012, plain(colours.dark(rng)))
        layout.put(rail, np.array([*wall.at(at), top + 0.13]), wall.yaw, solid=False)
    elif kind < 0.55:
        blind = Piece((width, 0.05, top), Label.BLINDS)
        share, finish = (
            float(rng.uniform(0.15, 1.0)),
            covering(rng, "speckle", colours.white(rng) if rng.random() < 0.7 else colours.muted(rng)),
        )
        blind.box((-width / 2, 0.0, top - 0.04), (width / 2, 0.04, top), finish)
        low = top - share * (top - sill)
        if rng.random() < 0.5:
            turn = rotation_x(float(rng.uniform(-0.9, 0.9)))
            for z in np.arange(low, top - 0.04, 0.035):
                blind.box((-width / 2, 0.008, z), (width / 2, 0.033, z + 0.002), finish, turn=turn)
        else:
            blind.box((-width / 2, 0.018, low), (width / 2, 0.02, top), finish)
        layout.put(blind, np.array([*wall.at(at, -0.05), 0.0]), wall.yaw, solid=False)


def add_openings(layout: Layout, style: Style, kind: str) -> tuple[list[Hole], list[Light]]:
    """All doors and windows of a room; some rooms have no window, at some it is night."""
    rng = layout.rng
    holes, lights = [], []
    doors = int(rng.integers(2, 6)) if kind == "corridor" else int(rng.choice([1, 1, 2]))
    for _ in range(doors):
        hole = add_door(layout, style)
        holes += [hole] if hole else []
    windows = 0 if rng.random() < 0.15 else int(rng.choice([1, 1, 2, 3]))
    windows = min(windows, 1) if kind in ("corridor", "bathroom") else windows
    power = 0.0 if rng.random() < 0.15 else float(np.exp(rng.uniform(np.log(0.4), np.log(2.5))))
    for _ in range(windows):
        found = add_window(layout, style, power)
        if found:
            holes.append(found[0])
            lights += found[1]
    return holes, lights
