"""Cabinets, shelves full of things, wardrobes, dressers, refrigerators."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.piece import Piece, Top, rotation_z
from streammtl.data.rooms.pieces import small
from streammtl.data.rooms.style import Style, stuff
from streammtl.data.rooms.textures import colours
from streammtl.data.rooms.textures.bank import Finish, covering, printed


def fronts(
    piece: Piece,
    rng: np.random.Generator,
    area: tuple[float, float, float, float],
    y: float,
    finish: Finish,
    handle: Finish,
    kind: str,
) -> None:
    """Doors or drawers over a front area (x0, x1, z0, z1) at depth y, with handles; a door may stand open."""
    x0, x1, z0, z1 = area
    if kind == "drawers":
        count = max(2, round((z1 - z0) / rng.uniform(0.18, 0.32)))
        for k in range(count):
            low, high = z0 + k * (z1 - z0) / count + 0.003, z0 + (k + 1) * (z1 - z0) / count - 0.003
            pull = 0.0 if rng.random() < 0.92 else float(rng.uniform(0.05, 0.25))
            piece.box((x0 + 0.003, y, low), (x1 - 0.003, y + 0.02 + pull, high), finish)
            grip = min(0.15, (x1 - x0) * 0.3)
            middle = 0.5 * (x0 + x1)
            piece.box(
                (middle - grip, y + 0.02 + pull, high - 0.05), (middle + grip, y + 0.045 + pull, high - 0.035), handle
            )
        return
    count = max(1, round((x1 - x0) / 0.5))
    for k in range(count):
        left, right = x0 + k * (x1 - x0) / count + 0.003, x0 + (k + 1) * (x1 - x0) / count - 0.003
        hinge_left = bool(k % 2) if count > 1 else bool(rng.random() < 0.5)
        if rng.random() < 0.06:
            angle = float(rng.uniform(0.3, 1.5))
            _open_door(piece, (left, right, z0, z1), y, finish, hinge_left, angle)
            continue
        piece.box((left, y, z0 + 0.003), (right, y + 0.02, z1 - 0.003), finish)
        grip = right - 0.05 if hinge_left else left + 0.05
        level = z1 - 0.2 if z0 < 0.5 else z0 + 0.2
        piece.box((grip - 0.008, y + 0.02, level - 0.08), (grip + 0.008, y + 0.045, level + 0.08), handle)


def _open_door(
    piece: Piece, area: tuple[float, float, float, float], y: float, finish: Finish, at_left: bool, angle: float
) -> None:
    left, right, z0, z1 = area
    width, sign = right - left, 1.0 if at_left else -1.0
    turn = rotation_z(sign * angle)
    hinge = np.array([left if at_left else right, y + 0.01, 0.5 * (z0 + z1)])
    centre = hinge + turn @ np.array([sign * width / 2, 0.0, 0.0])
    half = np.array([width / 2, 0.01, (z1 - z0) / 2 - 0.003])
    piece.box(tuple(centre - half), tuple(centre + half), finish, turn=turn)


def cabinet(
    rng: np.random.Generator,
    style: Style,
    size: tuple[float, float, float] | None = None,
    label: int = Label.CABINET,
    finish: Finish | None = None,
    kind: str | None = None,
    plinth: float = 0.06,
) -> Piece:
    """A closed box with doors or drawers on a plinth or feet."""
    if size is None:
        size = (rng.uniform(0.5, 1.6), rng.uniform(0.35, 0.6), rng.uniform(0.5, 1.3))
    width, depth, height = size
    piece = Piece(size, int(label))
    finish = finish or (style.wood if rng.random() < 0.5 else style.paint)
    piece.box((-width / 2, 0.0, plinth), (width / 2, depth - 0.02, height), finish)
    if plinth > 0:
        piece.box((-width / 2 + 0.02, 0.0, 0.0), (width / 2 - 0.02, depth - 0.07, plinth), finish)
    kind = kind or str(rng.choice(["doors", "doors", "drawers"]))
    area = (-width / 2, width / 2, plinth + 0.01, height - 0.02)
    fronts(piece, rng, area, depth - 0.02, finish, style.metal, kind)
    piece.tops.append(Top((-width / 2, 0.0), (width / 2, depth), height, 2.3 - height))
    if height < 1.3:
        piece.focus.append((0.0, depth / 2, height))
    return piece


def shelf(
    rng: np.random.Generator,
    style: Style,
    size: tuple[float, float, float] | None = None,
    filled: str = "books",
    label: int = Label.BOOKSHELF,
) -> Piece:
    """Open shelves full of books, folders or mixed things. Its contents are part of the piece, labelled their own."""
    if size is None:
        size = (rng.uniform(0.5, 1.4), rng.uniform(0.24, 0.4), rng.uniform(0.8, 2.2))
    width, depth, height = size
    piece = Piece(size, int(label))
    board = style.wood if rng.random() < 0.6 else style.paint
    thick = float(rng.uniform(0.015, 0.03))
    columns = max(1, round(width / rng.uniform(0.55, 1.0)))
    if rng.random() < 0.75:
        piece.box((-width / 2, 0.0, 0.0), (width / 2, 0.008, height), board)
    for x in np.linspace(-width / 2, width / 2 - thick, columns + 1):
        piece.box((x, 0.0, 0.0), (x + thick, depth, height), board)
    rows = max(2, round(height / rng.uniform(0.3, 0.4)))
    for k, z in enumerate(np.linspace(0.05, height - thick, rows + 1)):
        piece.box((-width / 2 + thick, 0.0, z), (width / 2 - thick, depth, z + thick), board)
        if k == rows:
            continue
        space = (height - 0.05) / rows - thick - 0.02
        for c in range(columns):
            left = -width / 2 + c * (width - thick) / columns + thick
            right = -width / 2 + (c + 1) * (width - thick) / columns
            fill_row(piece, rng, (left, right, depth, z + thick, space), filled)
    piece.tops.append(Top((-width / 2, 0.0), (width / 2, depth), height, 2.3 - height))
    piece.focus.append((0.0, depth, min(1.3, 0.6 * height)))
    return piece


def fill_row(
    piece: Piece, rng: np.random.Generator, room: tuple[float, float, float, float, float], filled: str
) -> None:
    """Puts books, folders or things in a row (x from, x to, depth, z, free height) of a shelf."""
    left, right, depth, z, space = room
    x = left + 0.005
    kind = filled if rng.random() < 0.75 else str(rng.choice(["books", "folders", "things", "empty"]))
    stop = right - (0.0 if rng.random() < 0.5 else rng.uniform(0.0, 0.6) * (right - left))
    while kind != "empty" and x < stop - 0.02:
        if kind == "things" or rng.random() < 0.06:
            thing = small.any_small(rng, small.ON_SHELF)
            w, d, h = thing.size
            if x + w < right and h < space and d < depth + 0.05:
                piece.merge(thing, (x + w / 2, max(0.0, depth - d - 0.02) * float(rng.uniform(0.3, 1.0)), z))
                x += w
            x += rng.uniform(0.02, 0.12)
            continue
        x = small.standing_book(piece, rng, (x, right, depth, z, space), folder=kind == "folders")


def wall_shelf(rng: np.random.Generator, style: Style, width: float) -> Piece:
    """A board on brackets with things on it; base is the board's underside."""
    depth = float(rng.uniform(0.15, 0.3))
    piece = Piece((width, depth, 0.35), Label.SHELVES)
    board = [style.wood, style.paint, style.accent][int(rng.integers(3))]
    piece.box((-width / 2, 0.0, 0.0), (width / 2, depth, 0.025), board)
    for sx in (-1, 1):
        piece.box((sx * width * 0.35 - 0.01, 0.0, -0.12), (sx * width * 0.35 + 0.01, 0.015, 0.0), style.metal)
    fill_row(piece, rng, (-width / 2, width / 2, depth, 0.025, 0.34), str(rng.choice(["books", "things", "things"])))
    piece.focus.append((0.0, depth, 0.1))
    return piece


def wardrobe(rng: np.random.Generator, style: Style) -> Piece:
    """Tall, with doors; things may lie on top."""
    size = (float(rng.uniform(0.8, 2.0)), float(rng.uniform(0.5, 0.65)), float(rng.uniform(1.8, 2.25)))
    return cabinet(rng, style, size, Label.OTHER_FURNITURE, kind="doors")


def refrigerator(rng: np.random.Generator, style: Style) -> Piece:
    """White, steel or coloured, one or two doors, often with notes stuck on."""
    width, depth, height = rng.uniform(0.54, 0.75), rng.uniform(0.55, 0.7), rng.uniform(1.2, 1.95)
    piece = Piece((width, depth, height), Label.REFRIGERATOR)
    shell = [covering(rng, "speckle", colours.white(rng), shiny=True), style.metal, style.accent][
        int(rng.choice(3, p=(0.6, 0.25, 0.15)))
    ]
    piece.box((-width / 2, 0.0, 0.02), (width / 2, depth - 0.06, height), shell)
    split = height * rng.uniform(0.3, 0.75)
    side = float(rng.choice([-1, 1])) * (width / 2 - 0.06)
    for low, high in ((0.03, split - 0.005), (split + 0.005, height - 0.005)):
        piece.box((-width / 2, depth - 0.055, low), (width / 2, depth - 0.03, high), shell)
        z = high - 0.1 if low < 0.1 else low + 0.1
        piece.bar((side, depth - 0.01, z - 0.15), (side, depth - 0.01, z + 0.08), 0.02, style.metal)
    for _ in range(int(rng.integers(0, 6))):
        x, z = rng.uniform(-width / 2 + 0.1, width / 2 - 0.1), rng.uniform(0.6, height - 0.15)
        w, h = rng.uniform(0.03, 0.1), rng.uniform(0.04, 0.13)
        note = printed(rng, "page") if rng.random() < 0.6 else printed(rng, "photograph")
        piece.box((x - w, depth - 0.03, z - h), (x + w, depth - 0.027, z + h), note, Label.PAPER)
    piece.tops.append(Top((-width / 2, 0.0), (width / 2, depth - 0.05), height, 2.4 - height))
    return piece


def crate(rng: np.random.Generator) -> Piece:
    """A cardboard box, closed, or a plastic crate with things in it."""
    w, d, h = (float(v) for v in rng.uniform((0.2, 0.2, 0.12), (0.6, 0.45, 0.45)))
    piece = Piece((w, d, h), Label.BOX)
    if rng.random() < 0.65:
        card = colours.to_linear((0.76, 0.6, 0.42)) if rng.random() < 0.8 else colours.thing(rng)
        piece.box((-w / 2, 0, 0), (w / 2, d, h), printed(rng, "carton", card))
        piece.tops.append(Top((-w / 2, 0.0), (w / 2, d), h))
        return piece
    wall = stuff(rng)
    for low, high in (
        ((-w / 2, 0, 0), (w / 2, d, 0.01)),
        ((-w / 2, 0, 0), (-w / 2 + 0.012, d, h)),
        ((w / 2 - 0.012, 0, 0), (w / 2, d, h)),
        ((-w / 2, 0, 0), (w / 2, 0.012, h)),
        ((-w / 2, d - 0.012, 0), (w / 2, d, h)),
    ):
        piece.box(low, high, wall)
    for _ in range(int(rng.integers(2, 7))):
        thing = small.any_small(rng, small.ON_SHELF)
        if max(thing.size[:2]) < min(w, d) - 0.06:
            x = rng.uniform(-1, 1) * (w - thing.size[0] - 0.04) / 2
            y = 0.02 + rng.uniform(0, 1) * (d - thing.size[1] - 0.04)
            piece.merge(thing, (x, y, 0.01 + rng.uniform(0, 0.4) * h))
    return piece
