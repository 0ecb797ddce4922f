"""Chairs, stools, benches and office chairs."""

from __future__ import annotations

import itertools

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.piece import Piece, rotation_x
from streammtl.data.rooms.shapes import cushion, rod
from streammtl.data.rooms.style import Style, fabric
from streammtl.data.rooms.textures import colours
from streammtl.data.rooms.textures.bank import Finish, covering, plain


def chair(rng: np.random.Generator, style: Style) -> Piece:
    """One of a set: build it once and place copies. Front at +y, back rest at y = 0."""
    kind = rng.random()
    if kind < 0.45:
        return _wooden(rng, style)
    if kind < 0.75:
        return _shell(rng, style)
    return _cantilever(rng, style)


def _back(piece: Piece, rng: np.random.Generator, frame: Finish, seat: float, high: float, w: float) -> None:
    kind = rng.integers(0, 3)
    lean = rng.uniform(0.02, 0.1)
    for sx in (-1, 1):
        piece.bar((sx * (w - 0.02), 0.03, seat), (sx * (w - 0.02), 0.03 - lean, high), 0.035, frame)
    if kind == 0:
        for k in range(int(rng.integers(2, 5))):
            z = high - 0.05 - 0.1 * k
            piece.box((-w, 0.02 - lean * 0.9, z - 0.035), (w, 0.045 - lean * 0.9, z + 0.03), frame)
    elif kind == 1:
        piece.box((-w, -lean, high - 0.08), (w, 0.03 - lean, high), frame)
        for x in np.linspace(-w + 0.06, w - 0.06, int(rng.integers(3, 7))):
            piece.pole((x, 0.03, seat), (x, 0.015 - lean, high - 0.04), 0.009, frame)
    else:
        cover = fabric(rng) if rng.random() < 0.6 else frame
        piece.box((-w, 0.01 - lean, high - rng.uniform(0.2, 0.42)), (w, 0.04 - lean, high), cover)


def _wooden(rng: np.random.Generator, style: Style) -> Piece:
    w, depth, seat = rng.uniform(0.19, 0.24), rng.uniform(0.4, 0.48), rng.uniform(0.43, 0.48)
    high = rng.uniform(0.78, 1.02)
    piece = Piece((2 * w, depth, high), Label.CHAIR)
    frame = style.wood if rng.random() < 0.7 else style.paint
    cover = fabric(rng) if rng.random() < 0.5 else frame
    piece.box((-w, 0.0, seat - 0.05), (w, depth, seat - 0.02), frame)
    if cover is not frame:
        piece.add(cushion(0.35, 8), cover, at=(0, depth / 2, seat - 0.015), scale=(w, depth / 2, 0.035))
    leg = rng.uniform(0.028, 0.045)
    for sx in (-1, 1):
        for y in (leg / 2, depth - leg / 2):
            piece.bar((sx * (w - leg / 2), y, 0.0), (sx * (w - leg / 2), y, seat - 0.05), leg, frame)
        if rng.random() < 0.5:
            piece.bar((sx * (w - leg / 2), 0.02, 0.2), (sx * (w - leg / 2), depth - 0.02, 0.2), 0.02, frame)
    _back(piece, rng, frame, seat - 0.05, high, w)
    return piece


def _shell(rng: np.random.Generator, style: Style) -> Piece:
    w, depth, seat = rng.uniform(0.21, 0.25), rng.uniform(0.42, 0.5), rng.uniform(0.43, 0.47)
    piece = Piece((2 * w, depth, seat + 0.38), Label.CHAIR)
    shell = covering(rng, "speckle", colours.thing(rng), shiny=True)
    piece.add(cushion(0.5, 9), shell, at=(0, depth / 2, seat - 0.02), scale=(w, depth / 2, 0.03))
    back = rotation_x(rng.uniform(0.05, 0.2))
    piece.add(cushion(0.45, 9), shell, at=(0, 0.02, seat + 0.2), scale=(w * 0.95, 0.022, 0.2), turn=back)
    finish = style.metal if rng.random() < 0.7 else style.wood
    for sx in (-1, 1):
        for y, foot in ((0.08, -0.01), (depth - 0.06, depth)):
            piece.pole((sx * w * 0.95, foot, 0.0), (sx * w * 0.55, y, seat - 0.03), 0.012, finish)
    return piece


def _cantilever(rng: np.random.Generator, style: Style) -> Piece:
    w, depth, seat = 0.22, rng.uniform(0.45, 0.52), rng.uniform(0.43, 0.47)
    piece = Piece((2 * w + 0.04, depth, 0.84), Label.CHAIR)
    tube, cover = style.metal, fabric(rng) if rng.random() < 0.6 else plain(colours.dark(rng))
    for x in (-w, w):
        path = ((x, 0.02, 0.83), (x, 0.05, seat), (x, depth, seat), (x, depth, 0.015), (x, 0.0, 0.015))
        for a, b in itertools.pairwise(path):
            piece.pole(a, b, 0.012, tube)
    piece.pole((-w, 0.0, 0.015), (w, 0.0, 0.015), 0.012, tube)
    piece.box((-w, 0.05, seat), (w, depth - 0.01, seat + 0.03), cover)
    piece.box((-w, 0.015, 0.83 - rng.uniform(0.15, 0.34)), (w, 0.045, 0.84), cover)
    return piece


def office_chair(rng: np.random.Generator, style: Style) -> Piece:
    """Five-star base, gas spring, padded seat and back, often with arm rests."""
    seat, high = rng.uniform(0.43, 0.52), rng.uniform(0.88, 1.15)
    piece = Piece((0.62, 0.62, high), Label.CHAIR)
    cover, frame = fabric(rng), plain(colours.dark(rng), 0.08, 40.0) if rng.random() < 0.7 else style.metal
    for k in range(5):
        a = 2 * np.pi * (k + rng.random() * 0.1) / 5
        tip = (0.28 * np.cos(a), 0.31 + 0.28 * np.sin(a), 0.06)
        piece.bar((0.0, 0.31, 0.1), tip, 0.035, frame)
        piece.add(cushion(1.0, 6), frame, at=(tip[0], tip[1], 0.03), scale=0.03)
    piece.add(rod(0.025, seat - 0.14), frame, at=(0, 0.31, 0.09))
    piece.add(cushion(0.4, 9), cover, at=(0, 0.33, seat - 0.02), scale=(0.24, 0.24, 0.045))
    back = rng.uniform(0.5, 0.95) * (high - seat) / 2
    piece.add(cushion(0.4, 9), cover, at=(0, 0.07, high - back), scale=(0.22, 0.035, back), turn=rotation_x(0.12))
    piece.bar((0, 0.2, seat - 0.05), (0, 0.05, high - back), 0.05, frame)
    if rng.random() < 0.6:
        for sx in (-1, 1):
            piece.bar((sx * 0.25, 0.3, seat - 0.02), (sx * 0.27, 0.3, seat + 0.2), 0.03, frame)
            piece.box((sx * 0.27 - 0.03, 0.18, seat + 0.2), (sx * 0.27 + 0.03, 0.44, seat + 0.23), frame)
    return piece


def stool(rng: np.random.Generator, style: Style, seat: float | None = None) -> Piece:
    """A round or square stool."""
    seat = float(rng.choice([0.45, 0.62, 0.75])) if seat is None else seat
    piece = Piece((0.38, 0.38, seat), Label.CHAIR)
    top = style.wood if rng.random() < 0.6 else fabric(rng)
    if rng.random() < 0.6:
        piece.add(rod(0.17, 0.05, sides=20), top, at=(0, 0.19, seat - 0.05))
    else:
        piece.box((-0.17, 0.02, seat - 0.05), (0.17, 0.36, seat), top)
    for sx in (-1, 1):
        for sy in (-1, 1):
            finish = style.metal if top is not style.wood else style.wood
            foot, head = (sx * 0.16, 0.19 + sy * 0.16, 0.0), (sx * 0.11, 0.19 + sy * 0.11, seat - 0.05)
            piece.pole(foot, head, 0.014, finish)
    return piece
