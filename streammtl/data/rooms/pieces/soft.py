"""Sofas, armchairs, beds, carpets, curtains, towels and cushions."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.piece import Piece, Top, rotation_x, rotation_z
from streammtl.data.rooms.shapes import crumpled, cushion, drape, rod
from streammtl.data.rooms.style import Style, fabric
from streammtl.data.rooms.textures import colours
from streammtl.data.rooms.textures.bank import Finish, covering, printed


def sofa(rng: np.random.Generator, style: Style, seats: int | None = None) -> Piece:
    """A sofa for one to three, with cushions, sometimes a blanket or a bag on it."""
    seats = int(rng.choice([2, 3, 3])) if seats is None else seats
    arm, depth = float(rng.uniform(0.1, 0.25)), float(rng.uniform(0.8, 1.0))
    width = seats * float(rng.uniform(0.58, 0.75)) + 2 * arm
    seat, high = float(rng.uniform(0.38, 0.46)), float(rng.uniform(0.68, 0.95))
    piece = Piece((width, depth, high), Label.SOFA)
    cover, round_ = fabric(rng), float(rng.uniform(0.18, 0.45))
    soft, inner = cushion(round_, 10), width / 2 - arm

    def block(low: tuple, high_: tuple) -> None:
        a, b = np.array(low), np.array(high_)
        piece.add(soft, cover, at=0.5 * (a + b), scale=tuple(0.5 * (b - a)))

    block((-width / 2, 0.0, 0.06), (width / 2, depth - 0.04, seat - 0.1))
    block((-width / 2, 0.0, 0.08), (width / 2, 0.24, high))
    for sx in (-1, 1):
        a, b = sorted((sx * width / 2, sx * inner))
        block((a, 0.0, 0.08), (b, depth, seat + rng.uniform(0.1, 0.2)))
        for y in (0.08, depth - 0.12):
            piece.add(rod(0.025, 0.08), style.wood, at=(sx * (width / 2 - 0.1), y, 0.0))
    step = 2 * inner / seats
    for k in range(seats):
        block((-inner + k * step, 0.2, seat - 0.13), (-inner + (k + 1) * step, depth, seat + 0.02))
        if rng.random() < 0.85:
            block((-inner + k * step, 0.18, seat), (-inner + (k + 1) * step, 0.4, high + 0.03))
    for _ in range(int(rng.integers(0, 4))):
        pillow(piece, rng, (rng.uniform(-inner + 0.2, inner - 0.2), rng.uniform(0.42, 0.55), seat))
    if rng.random() < 0.25:
        heap = crumpled(0.8, 0.6, 0.12, rng)
        piece.add(heap, fabric(rng), Label.CLOTHES, at=(rng.uniform(-0.5, 0.5) * inner, 0.6, seat))
    piece.tops.append(Top((-inner, 0.42), (inner, depth - 0.05), seat + 0.02, 0.8))
    piece.focus.append((0.0, depth / 2, seat))
    return piece


def pillow(piece: Piece, rng: np.random.Generator, at: tuple[float, float, float]) -> None:
    """Adds a cushion that leans back, its lower edge at a point."""
    size = float(rng.uniform(0.17, 0.26))
    turn = rotation_z(rng.normal(0, 0.3)) @ rotation_x(np.pi / 2 + rng.uniform(0.1, 0.5))
    cover = printed(rng, "poster") if rng.random() < 0.15 else fabric(rng)
    piece.add(cushion(0.45, 10), cover, Label.PILLOW, (at[0], at[1], at[2] + 0.85 * size), (size, size, 0.07), turn)


def bed(rng: np.random.Generator, style: Style) -> Piece:
    """A bed with its head at the wall: frame, mattress, blanket, pillows."""
    width = float(rng.choice([0.9, 1.0, 1.4, 1.6, 1.8]))
    depth, height = float(rng.uniform(2.0, 2.15)), float(rng.uniform(0.4, 0.6))
    head = float(rng.uniform(0.7, 1.15))
    piece = Piece((width, depth, head), Label.BED)
    frame = style.wood if rng.random() < 0.6 else fabric(rng)
    piece.box((-width / 2, 0.0, 0.05), (width / 2, 0.05, head), frame)
    piece.box((-width / 2, 0.04, 0.1), (width / 2, depth, height - 0.18), frame)
    for sx in (-1, 1):
        piece.box(
            (sx * (width / 2 - 0.05) - 0.03, depth - 0.08, 0.0),
            (sx * (width / 2 - 0.05) + 0.03, depth - 0.02, 0.12),
            frame,
        )
    soft, sheet = cushion(0.2, 10), covering(rng, "cloth", colours.white(rng))
    low, high = np.array([-width / 2 + 0.02, 0.06, height - 0.2]), np.array([width / 2 - 0.02, depth - 0.02, height])
    piece.add(soft, sheet, at=0.5 * (low + high), scale=tuple(0.5 * (high - low)))
    start = float(rng.uniform(0.45, 1.0))
    blanket = fabric(rng)
    over = crumpled(width + 0.1, depth - start + 0.05, rng.uniform(0.07, 0.2), rng, 18)
    piece.add(over, blanket, at=(0, 0.5 * (start + depth), height - 0.02))
    for sx in (-1, 1):
        side = drape(depth - start, rng.uniform(0.15, height - 0.1), 2.5, 0.015, rng)
        tall = side.corners[..., 2].max()
        piece.add(
            side,
            blanket,
            at=(sx * (width / 2 + 0.03), 0.5 * (start + depth), height - tall + 0.03),
            turn=rotation_z(np.pi / 2),
        )
    count = 1 if width < 1.2 else 2
    for k in range(count + int(rng.integers(0, 2))):
        x = (k % count - (count - 1) / 2) * width / count + rng.normal(0, 0.04)
        turn = rotation_z(rng.normal(0, 0.15)) @ rotation_x(rng.uniform(-0.1, 0.5))
        cover = sheet if rng.random() < 0.5 else fabric(rng)
        piece.add(
            cushion(0.45, 10),
            cover,
            Label.PILLOW,
            (x, 0.3, height + 0.06 + 0.06 * (k // count)),
            (0.32, 0.2, 0.08),
            turn,
        )
    piece.tops.append(Top((-width / 2 + 0.1, start + 0.1), (width / 2 - 0.1, depth - 0.1), height + 0.08, 1.0))
    piece.focus.append((0.0, depth / 2, height))
    return piece


def rug(rng: np.random.Generator, width: float, depth: float) -> Piece:
    """A flat carpet on the floor: woven, patterned or printed; centred at its back edge like every piece."""
    piece = Piece((width, depth, 0.012), Label.FLOOR_MAT)
    kind = rng.random()
    if kind < 0.5:
        top = covering(rng, "carpet", colours.muted(rng) if rng.random() < 0.7 else colours.thing(rng))
    elif kind < 0.8:
        top = covering(rng, "wallpaper", colours.muted(rng))
    else:
        top = printed(rng, "poster", colours.pastel(rng))
    if rng.random() < 0.25:
        piece.add(rod(0.5, 1.0, sides=28), top, at=(0, depth / 2, 0), scale=(width, depth, 0.012))
    else:
        piece.box((-width / 2, 0, 0), (width / 2, depth, 0.012), top)
    return piece


def curtain(rng: np.random.Generator, width: float, height: float, label: int = Label.CURTAIN) -> Piece:
    """Hanging cloth with folds, its back at y = 0."""
    piece = Piece((width, 0.12, height), int(label))
    cover = covering(
        rng,
        "cloth" if rng.random() < 0.7 else "wallpaper",
        [colours.white, colours.muted, colours.pastel][int(rng.integers(3))](rng),
    )
    piece.add(drape(width, height, max(2.0, 9.0 * width), 0.035, rng), cover, at=(0, 0.06, 0))
    return piece


def towel(rng: np.random.Generator) -> Piece:
    """A towel on a rail on the wall."""
    width, height = float(rng.uniform(0.3, 0.6)), float(rng.uniform(0.4, 0.8))
    piece = Piece((width + 0.1, 0.1, height), Label.TOWEL)
    piece.add(drape(width, height, 2.0, 0.01, rng), fabric(rng), at=(0, 0.075, 0))
    piece.pole(
        (-width / 2 - 0.05, 0.06, height - 0.01),
        (width / 2 + 0.05, 0.06, height - 0.01),
        0.008,
        style_rail(rng),
        Label.OTHER_PROP,
    )
    return piece


def style_rail(rng: np.random.Generator) -> Finish:
    """Chrome of rails and taps."""
    return covering(rng, "metal", colours.to_linear((0.8, 0.8, 0.82)), shiny=True)
