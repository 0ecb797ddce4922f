"""What hangs on walls and from ceilings: pictures, boards, mirrors, clocks, notes, radiators, lamps."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.piece import Piece, rotation_z
from streammtl.data.rooms.pieces.devices import casing
from streammtl.data.rooms.pieces.soft import curtain
from streammtl.data.rooms.shapes import ball, lathe, rod
from streammtl.data.rooms.style import Style
from streammtl.data.rooms.textures import colours
from streammtl.data.rooms.textures.bank import Finish, covering, plain, printed


def picture(rng: np.random.Generator, style: Style) -> Piece:
    """A framed picture or a bare poster."""
    h = float(np.exp(rng.uniform(np.log(0.2), np.log(1.2))))
    w = h * float(rng.choice([0.7, 0.7, 1.0, 1.45]))
    piece = Piece((w, 0.03, h), Label.PICTURE)
    face = printed(rng, "poster" if w < h else "photograph")
    if rng.random() < 0.35:
        piece.box((-w / 2, 0.0, 0.0), (w / 2, 0.004, h), plain(colours.white(rng)), front=face)
        return piece
    frame = [style.wood, plain(colours.dark(rng)), plain(colours.white(rng)), style.metal][int(rng.integers(4))]
    rim = float(rng.uniform(0.012, 0.05))
    piece.box((-w / 2, 0.0, 0.0), (w / 2, 0.015, h), frame)
    mat = rim + (rng.uniform(0.02, 0.08) * h if rng.random() < 0.4 else 0.0)
    if mat > rim:
        piece.box((-w / 2 + rim, 0.015, rim), (w / 2 - rim, 0.017, h - rim), plain(colours.white(rng)))
    piece.box((-w / 2 + mat, 0.015, mat), (w / 2 - mat, 0.019, h - mat), frame, front=face)
    for sx in (-1, 1):
        x0, x1 = sorted((sx * w / 2, sx * (w / 2 - rim)))
        piece.box((x0, 0.0, 0.0), (x1, 0.03, h), frame)
    for z in (0.0, h - rim):
        piece.box((-w / 2, 0.0, z), (w / 2, 0.03, z + rim), frame)
    return piece


def board(rng: np.random.Generator, style: Style, width: float | None = None) -> Piece:
    """A white board with a rim and a tray of pens."""
    w = float(rng.uniform(0.9, 2.4)) if width is None else width
    h = float(rng.uniform(0.8, 1.2))
    piece = Piece((w, 0.08, h), Label.WHITEBOARD)
    piece.box((-w / 2, 0.0, 0.0), (w / 2, 0.02, h), style.metal, front=printed(rng, "board"))
    piece.box((-w / 2, 0.0, -0.01), (w / 2, 0.03, 0.015), style.metal)
    piece.box((-0.3 * w, 0.02, -0.02), (0.3 * w, 0.09, -0.005), style.metal)
    for _ in range(int(rng.integers(0, 5))):
        x = rng.uniform(-0.28, 0.28) * w
        piece.box((x, 0.04, -0.005), (x + 0.12, 0.055, 0.01), plain(colours.vivid(rng)), Label.OTHER_PROP)
    return piece


def mirror(rng: np.random.Generator, style: Style) -> Piece:
    """A mirror, shown as a bright grey pane in a frame: reflections are not traced."""
    w, h = float(rng.uniform(0.4, 1.0)), float(rng.uniform(0.5, 1.2))
    piece = Piece((w, 0.025, h), Label.MIRROR)
    glass = printed(rng, "photograph", colours.to_linear((0.75, 0.78, 0.8)))
    silver = Finish(type(glass.material)(glass.material.colour, glass.material.texture, 0.5, 200.0))
    piece.box((-w / 2, 0.0, 0.0), (w / 2, 0.015, h), style.wood if rng.random() < 0.5 else style.metal)
    piece.box((-w / 2 + 0.02, 0.015, 0.02), (w / 2 - 0.02, 0.018, h - 0.02), silver)
    return piece


def clock(rng: np.random.Generator) -> Piece:
    """A round wall clock."""
    r = float(rng.uniform(0.1, 0.2))
    piece = Piece((2 * r, 0.05, 2 * r), Label.OTHER_PROP)
    turn = np.array([[-1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]])
    piece.add(rod(r, 0.035, sides=28), casing(rng), at=(0, 0.0, r), turn=turn)
    s = 0.66 * r
    piece.box((-s, 0.0, r - s), (s, 0.037, r + s), casing(rng), front=printed(rng, "clock"))
    return piece


def notes(rng: np.random.Generator) -> Piece:
    """Sheets of paper stuck to a wall, more or less in rows."""
    w, h = float(rng.uniform(0.25, 1.2)), float(rng.uniform(0.3, 0.9))
    piece = Piece((w, 0.01, h), Label.PAPER)
    for _ in range(int(rng.integers(1, 9))):
        a, b = rng.uniform(0.05, 0.12), rng.uniform(0.06, min(0.16, h / 2))
        x, z = rng.uniform(-w / 2 + a, w / 2 - a), rng.uniform(b, h - b)
        sheet = printed(rng, str(rng.choice(["page", "page", "photograph", "cover", "poster"])))
        y = rng.uniform(0.001, 0.008)
        piece.box((x - a, 0.0, z - b), (x + a, y, z + b), plain(colours.white(rng)), front=sheet)
    return piece


def switches(rng: np.random.Generator) -> Piece:
    """Light switches, sockets, thermostats in a row, sometimes with a cable."""
    count = int(rng.integers(1, 4))
    piece = Piece((0.09 * count, 0.02, 0.085), Label.OTHER_PROP)
    plate, key = plain(colours.white(rng)), plain(colours.white(rng))
    for k in range(count):
        x = (k - (count - 1) / 2) * 0.09
        piece.box((x - 0.042, 0.0, 0.0), (x + 0.042, 0.009, 0.084), plate)
        piece.box(
            (x - 0.028, 0.0, 0.015), (x + 0.028, 0.015, 0.07), key if rng.random() < 0.8 else plain(colours.dark(rng))
        )
    if rng.random() < 0.3:
        piece.bar(
            (0.0, 0.02, 0.03), (rng.uniform(-0.3, 0.3), 0.02, -rng.uniform(0.1, 0.25)), 0.008, plain(colours.dark(rng))
        )
    return piece


def radiator(rng: np.random.Generator, width: float) -> Piece:
    """Ribs or a flat panel, below a window."""
    h, d = float(rng.uniform(0.45, 0.65)), 0.1
    piece = Piece((width, d + 0.03, h + 0.12), Label.OTHER_FURNITURE)
    paint = covering(rng, "speckle", colours.white(rng))
    ribs = rng.random() < 0.6
    count = max(4, int(width / 0.06))
    if ribs:
        for x in np.linspace(-width / 2 + 0.03, width / 2 - 0.03, count):
            piece.box((x - 0.02, 0.03, 0.12), (x + 0.02, 0.03 + d, 0.12 + h), paint)
    else:
        piece.box((-width / 2, 0.03, 0.12), (width / 2, 0.03 + d, 0.12 + h), paint)
    piece.pole((-width / 2 - 0.03, 0.08, 0.0), (-width / 2 - 0.03, 0.08, 0.2), 0.01, paint)
    piece.box((-width / 2, 0.04, 0.15), (width / 2, 0.06, 0.18), paint)
    return piece


def hooks(rng: np.random.Generator, style: Style) -> Piece:
    """A rail of hooks with coats, bags and scarves."""
    count = int(rng.integers(2, 6))
    width = 0.25 * count
    piece = Piece((width, 0.25, 1.1), Label.CLOTHES)
    piece.box((-width / 2, 0.0, 1.05), (width / 2, 0.02, 1.15), style.wood, Label.OTHER_FURNITURE)
    for k in range(count):
        x = (k - (count - 1) / 2) * 0.25
        piece.pole((x, 0.02, 1.1), (x, 0.08, 1.12), 0.008, style.metal, Label.OTHER_FURNITURE)
        if rng.random() < 0.75:
            tall = float(rng.uniform(0.5, 1.0))
            piece.merge(curtain(rng, 0.28, tall, Label.CLOTHES), (x, 0.05, 1.1 - tall), rng.normal(0, 0.2))
    return piece


def pendant(rng: np.random.Generator, drop: float) -> Piece:
    """A ceiling lamp on a cable; its base is the lamp's lower edge, its top the ceiling."""
    r = float(rng.uniform(0.12, 0.3))
    piece = Piece((2 * r, 2 * r, drop), Label.LAMP)
    shade = covering(rng, "cloth", colours.thing(rng)) if rng.random() < 0.5 else plain(colours.thing(rng), 0.15, 60.0)
    kind = rng.integers(0, 3)
    tall = min(0.8 * drop, r)
    if kind == 0:
        piece.add(lathe(((1.0, 0.0), (0.25, 1.0), (0.0, 1.02)), 22), shade, scale=(r, r, tall), at=(0, r, 0))
    elif kind == 1:
        piece.add(ball(12), plain(colours.white(rng), emission=1.2), scale=(r, r, tall / 2), at=(0, r, tall / 2))
    else:
        piece.add(lathe(((1.0, 0.0), (1.0, 1.0), (0.0, 1.02)), 22), shade, scale=(r, r, tall), at=(0, r, 0))
    piece.add(ball(8), plain((1.0, 0.95, 0.85), emission=2.5), scale=0.04, at=(0, r, 0.3 * tall))
    piece.pole((0, r, tall), (0, r, drop), 0.005, plain(colours.dark(rng)))
    return piece


def panel_light(rng: np.random.Generator, width: float, depth: float) -> Piece:
    """A flat light below the ceiling; base is its glowing lower side, its top the ceiling."""
    piece = Piece((width, depth, 0.05), Label.LAMP)
    frame = plain(colours.white(rng))
    glow = plain((1.0, 1.0, 0.97), emission=float(rng.uniform(1.5, 3.0)))
    piece.box((-width / 2, 0.0, 0.004), (width / 2, depth, 0.05), frame)
    rim = 0.02
    piece.box((-width / 2 + rim, rim, 0.0), (width / 2 - rim, depth - rim, 0.004), frame, bottom=glow)
    return piece


def spot_rail(rng: np.random.Generator, length: float) -> Piece:
    """Spots on a rail below the ceiling; base 0.2 m below the ceiling."""
    piece = Piece((length, 0.2, 0.2), Label.OTHER_STRUCTURE)
    body = plain(colours.dark(rng) if rng.random() < 0.6 else colours.white(rng), 0.1, 40.0)
    piece.box((-length / 2, 0.08, 0.18), (length / 2, 0.12, 0.2), body)
    for x in np.linspace(-length / 2 + 0.1, length / 2 - 0.1, int(rng.integers(2, 5))):
        turn = rotation_z(rng.uniform(0, 6.3))
        head = np.array([x, 0.1, 0.06])
        piece.pole((x, 0.1, 0.18), tuple(head), 0.01, body)
        piece.add(rod(0.04, 0.1), body, at=head - (0, 0, 0.05), turn=turn)
        piece.add(rod(0.035, 0.004), plain((1, 0.95, 0.85), emission=3.0), at=head - (0, 0, 0.052))
    return piece
