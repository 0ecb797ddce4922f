"""Toilets, tubs, wash stands, washing machines."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.piece import Piece, Top
from streammtl.data.rooms.pieces import small
from streammtl.data.rooms.pieces.kitchen import tap
from streammtl.data.rooms.pieces.storage import fronts
from streammtl.data.rooms.shapes import cushion, lathe, rod
from streammtl.data.rooms.style import Style
from streammtl.data.rooms.textures import colours
from streammtl.data.rooms.textures.bank import Finish, covering, plain

ON_BASIN: dict[small.Maker, float] = {
    small.bottle: 5,
    small.cup: 1.5,
    small.packet: 1,
    small.cloth_heap: 1,
    small.gadget: 0.5,
}


def ceramic(rng: np.random.Generator) -> Finish:
    """White or pale glaze."""
    return plain(colours.white(rng) if rng.random() < 0.85 else colours.pastel(rng), 0.15, 90.0)


def toilet(rng: np.random.Generator, style: Style) -> Piece:
    """A bowl with seat, lid up or down, and a cistern."""
    piece = Piece((0.4, 0.68, 0.82), Label.TOILET)
    glaze, lid = ceramic(rng), ceramic(rng)
    piece.add(cushion(0.35, 8), glaze, at=(0, 0.1, 0.6), scale=(0.19, 0.1, 0.22))
    foot = lathe(
        ((0.0, 0.0), (0.7, 0.0), (0.55, 0.4), (1.0, 0.9), (1.0, 1.0), (0.75, 1.0), (0.5, 0.6), (0.0, 0.5)),
        22,
        smooth=False,
    )
    piece.add(foot, glaze, at=(0, 0.43, 0.0), scale=(0.19, 0.25, 0.4))
    piece.box((-0.12, 0.05, 0.0), (0.12, 0.4, 0.36), glaze)
    if rng.random() < 0.6:
        piece.add(rod(1.0, 1.0, sides=22), lid, at=(0, 0.43, 0.4), scale=(0.2, 0.25, 0.03))
    else:
        piece.add(cushion(0.6, 8), lid, at=(0, 0.21, 0.62), scale=(0.19, 0.02, 0.23))
    roll = plain(colours.white(rng))
    piece.add(rod(0.055, 0.1, sides=14), roll, Label.OTHER_PROP, at=(0.05, 0.1, 0.82))
    return piece


def tub(rng: np.random.Generator, style: Style) -> Piece:
    """A bath tub along the wall with its skirt, tap and rim."""
    width, depth, height = float(rng.uniform(1.4, 1.8)), float(rng.uniform(0.7, 0.85)), float(rng.uniform(0.5, 0.62))
    piece = Piece((width, depth, height), Label.BATHTUB)
    glaze = ceramic(rng)
    skirt = glaze if rng.random() < 0.5 else covering(rng, "tiles", colours.pastel(rng), True)
    rim, ledge, x, deep = 0.07, 0.14, width / 2, 0.42
    for low, high in (
        ((-x, 0), (-x + rim, depth)),
        ((x - ledge, 0), (x, depth)),
        ((-x, 0), (x, rim)),
        ((-x, depth - rim), (x, depth)),
    ):
        piece.box((*low, 0.0), (*high, height - 0.02), skirt)
        piece.box((*low, height - 0.02), (*high, height), glaze)
        piece.box((*low, height - deep), (*high, height - 0.021), glaze)
    piece.box((-x + rim, rim, height - deep), (x - rim, depth - rim, height - deep + 0.02), glaze)
    tap(piece, rng, -x + 0.25, 0.04, height)
    piece.tops.append(Top((-x, 0.0), (x, rim), height, 0.4))
    piece.tops.append(Top((x - ledge, 0.0), (x, depth), height, 0.4))
    piece.focus.append((0.0, depth / 2, height))
    return piece


def wash_stand(rng: np.random.Generator, style: Style) -> Piece:
    """A cabinet with a basin set in its top."""
    width, depth, height = float(rng.uniform(0.5, 1.2)), float(rng.uniform(0.42, 0.55)), float(rng.uniform(0.8, 0.9))
    piece = Piece((width, depth, height), Label.SINK)
    glaze, front = ceramic(rng), style.wood if rng.random() < 0.5 else style.paint
    low = 0.0 if rng.random() < 0.5 else 0.3
    piece.box((-width / 2 + 0.01, 0.0, low), (width / 2 - 0.01, depth - 0.04, height - 0.2), front, Label.CABINET)
    panel = Piece((width, depth, height), Label.CABINET)
    fronts(
        panel, rng, (-width / 2 + 0.01, width / 2 - 0.01, low, height - 0.2), depth - 0.04, front, style.metal, "doors"
    )
    piece.merge(panel, (0.0, 0.0, 0.0))
    half, t = min(0.27, width / 2 - 0.04), 0.03
    x0, x1, y0, y1, top, base = -half, half, 0.12, depth - 0.03, height, height - 0.16
    piece.box((-width / 2, 0.0, base - 0.02), (width / 2, depth, base), glaze)
    for a, b in (
        ((-width / 2, 0), (x0, depth)),
        ((x1, 0), (width / 2, depth)),
        ((x0, 0), (x1, y0)),
        ((x0, y1), (x1, depth)),
    ):
        piece.box((*a, base), (*b, top), glaze)
    piece.add(
        lathe(((0.0, 0.0), (0.5, 0.1), (1.0, 1.0)), 20, smooth=True),
        glaze,
        at=(0, 0.5 * (y0 + y1), base),
        scale=(half - t, (y1 - y0) / 2 - t / 3, 0.15),
    )
    tap(piece, rng, 0.0, 0.06, top)
    if width > 0.75:
        piece.tops += [
            Top((-width / 2, 0.02), (x0, depth - 0.02), top, 0.5),
            Top((x1, 0.02), (width / 2, depth - 0.02), top, 0.5),
        ]
    piece.tops.append(Top((x0, 0.0), (-0.06, y0), top, 0.4))
    piece.focus.append((0.0, depth / 2, height))
    return piece


def washing_machine(rng: np.random.Generator, style: Style) -> Piece:
    """A washing machine with its round door."""
    piece = Piece((0.6, 0.6, 0.85), Label.OTHER_FURNITURE)
    body = plain(colours.white(rng), 0.1, 60.0)
    piece.box((-0.3, 0.0, 0.01), (0.3, 0.57, 0.85), body)
    turn = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    piece.add(rod(0.19, 0.03, sides=28), style.metal, at=(0, 0.57, 0.42), turn=turn)
    piece.add(rod(0.14, 0.04, 0.12, sides=24), plain(colours.dark(rng), 0.2, 120.0), at=(0, 0.57, 0.42), turn=turn)
    piece.box((-0.29, 0.57, 0.72), (0.29, 0.58, 0.84), plain(colours.grey(rng)))
    piece.add(rod(0.035, 0.03, sides=16), style.metal, at=(-0.1, 0.58, 0.78), turn=turn)
    piece.box((0.1, 0.58, 0.75), (0.26, 0.585, 0.81), plain(colours.dark(rng)))
    piece.tops.append(Top((-0.3, 0.0), (0.3, 0.57), 0.85, 0.8))
    return piece
