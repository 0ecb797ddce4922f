"""Tables and desks."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.piece import Piece, Top
from streammtl.data.rooms.shapes import rod
from streammtl.data.rooms.style import Style
from streammtl.data.rooms.textures import colours
from streammtl.data.rooms.textures.bank import Finish, covering


def _top_finish(rng: np.random.Generator, style: Style) -> Finish:
    kind = rng.random()
    if kind < 0.6:
        return style.wood
    if kind < 0.85:
        return covering(rng, "speckle", colours.white(rng) if rng.random() < 0.6 else colours.grey(rng))
    return covering(rng, "marble", colours.grey(rng) if rng.random() < 0.7 else colours.thing(rng), shiny=True)


def _support(piece: Piece, rng: np.random.Generator, style: Style, top: Finish, thick: float) -> None:
    width, depth, height = piece.size
    x, low, high, z = width / 2 - 0.05, 0.05, depth - 0.05, height - thick
    finish = top if rng.random() < 0.5 else style.metal
    kind = rng.integers(0, 5)
    leg = rng.uniform(0.025, 0.09)
    if kind <= 1:
        spread = rng.choice([0.0, 0.0, 0.06])
        for sx in (-1, 1):
            for y, sy in ((low + leg / 2, -1), (high - leg / 2, 1)):
                foot = (sx * (x - leg / 2 + spread), y + sy * spread * 0.5, 0.0)
                if leg < 0.05:
                    piece.pole(foot, (sx * (x - leg / 2), y, z), leg / 2, finish)
                else:
                    piece.bar(foot, (sx * (x - leg / 2), y, z), leg, finish)
        piece.box((-x, low + 0.02, z - 0.08), (x, low + 0.04, z), finish)
        piece.box((-x, high - 0.04, z - 0.08), (x, high - 0.02, z), finish)
    elif kind == 2:
        for sx in (-1, 1):
            piece.box((sx * x - 0.02, low, 0.0), (sx * x + 0.02, high, z), top)
        piece.box((-x, low, 0.2), (x, low + 0.02, z), top)
    elif kind == 3:
        for sx in (-1, 1):
            piece.box((sx * x - 0.03, low, 0.0), (sx * x + 0.03, high, 0.03), style.metal)
            piece.box((sx * x - 0.03, depth / 2 - 0.05, 0.0), (sx * x + 0.03, depth / 2 + 0.05, z), style.metal)
            piece.box((sx * x - 0.03, low, z - 0.03), (sx * x + 0.03, high, z), style.metal)
    else:
        piece.box((-x + 0.2, depth / 2 - 0.02, z - 0.3), (x - 0.2, depth / 2 + 0.02, z), finish)
        for sx in (-1, 1):
            piece.bar((sx * x, low, 0.0), (sx * (x - 0.05), depth / 2, z), leg + 0.01, finish)
            piece.bar((sx * x, high, 0.0), (sx * (x - 0.05), depth / 2, z), leg + 0.01, finish)


def table(
    rng: np.random.Generator, style: Style, size: tuple[float, float, float] | None = None, label: int = Label.TABLE
) -> Piece:
    """A rectangular table of the given width, depth and height, or of any."""
    if size is None:
        size = (rng.uniform(0.9, 2.2), rng.uniform(0.7, 1.0), rng.uniform(0.7, 0.78))
    width, depth, height = size
    piece = Piece(size, int(label))
    top, thick = _top_finish(rng, style), float(rng.uniform(0.018, 0.06))
    piece.box((-width / 2, 0.0, height - thick), (width / 2, depth, height), top)
    _support(piece, rng, style, top, thick)
    piece.tops.append(Top((-width / 2, 0.0), (width / 2, depth), height))
    piece.focus += [(x, depth / 2, height) for x in np.linspace(-width / 3, width / 3, 3)]
    return piece


def round_table(rng: np.random.Generator, style: Style, radius: float, height: float) -> Piece:
    """A round table on one foot or three legs."""
    piece = Piece((2 * radius, 2 * radius, height), Label.TABLE)
    top = _top_finish(rng, style)
    piece.add(rod(radius, 0.03, sides=32), top, at=(0.0, radius, height - 0.03))
    if rng.random() < 0.6:
        piece.add(rod(0.04, height - 0.03), style.metal, at=(0.0, radius, 0.0))
        piece.add(rod(radius * 0.55, 0.03, 0.04, 24), style.metal, at=(0.0, radius, 0.0))
    else:
        for turn in np.arange(3) * 2.1 + 0.3:
            foot = (0.8 * radius * np.cos(turn), radius + 0.8 * radius * np.sin(turn), 0.0)
            piece.pole(foot, (0.5 * foot[0], radius + 0.5 * (foot[1] - radius), height - 0.03), 0.02, style.wood)
    inner = 0.62 * radius
    piece.tops.append(Top((-inner, radius - inner), (inner, radius + inner), height))
    piece.focus += [(x, radius, height) for x in (-radius / 2, radius / 2)]
    return piece


def desk(rng: np.random.Generator, style: Style, width: float | None = None) -> Piece:
    """A desk against a wall; the user sits in front of it. Often with a drawer unit and a back panel."""
    width = float(rng.uniform(1.1, 1.8)) if width is None else width
    piece = table(rng, style, (width, float(rng.uniform(0.6, 0.85)), float(rng.uniform(0.7, 0.77))), Label.DESK)
    depth, height = piece.size[1], piece.size[2]
    if rng.random() < 0.55:
        side = rng.choice([-1, 1])
        x0, x1 = sorted((side * (width / 2 - 0.06), side * (width / 2 - 0.46)))
        front = style.paint if rng.random() < 0.6 else style.wood
        piece.box((x0, 0.08, 0.03), (x1, depth - 0.06, height - 0.07), front)
        for k in range(3):
            z0, z1 = 0.05 + k * (height - 0.13) / 3, 0.035 + (k + 1) * (height - 0.13) / 3
            piece.box((x0 + 0.008, depth - 0.06, z0), (x1 - 0.008, depth - 0.04, z1), front)
            piece.box((x0 + 0.13, depth - 0.04, z1 - 0.05), (x1 - 0.13, depth - 0.02, z1 - 0.04), style.metal)
    return piece
