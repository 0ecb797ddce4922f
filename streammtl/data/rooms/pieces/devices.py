"""Monitors, laptops, keyboards, lamps and kitchen machines."""

from __future__ import annotations

import itertools

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.piece import Piece, rotation_x
from streammtl.data.rooms.shapes import cushion, lathe, rod
from streammtl.data.rooms.style import metallic
from streammtl.data.rooms.textures import colours
from streammtl.data.rooms.textures.bank import Finish, covering, plain, printed


def casing(rng: np.random.Generator) -> Finish:
    """Plastic of devices: mostly black, grey or white."""
    kinds = (colours.dark, colours.grey, colours.white, colours.vivid)
    return plain(kinds[rng.choice(4, p=(0.5, 0.22, 0.22, 0.06))](rng), 0.08, 40.0)


def lit_screen(rng: np.random.Generator) -> Finish:
    """A screen, on or off."""
    if rng.random() < 0.25:
        return plain(colours.to_linear(np.full(3, rng.uniform(0.03, 0.1))), 0.15, 150.0)
    return printed(rng, "screen", emission=float(rng.uniform(0.3, 1.2)))


def monitor(rng: np.random.Generator) -> Piece:
    """A flat monitor on a foot, facing the front."""
    w, h = rng.uniform(0.42, 0.72), rng.uniform(0.28, 0.4)
    rise = rng.uniform(0.06, 0.18)
    case = casing(rng)
    piece = Piece((w, 0.22, h + rise), Label.TELEVISION)
    piece.box((-w / 2, 0.1, rise), (w / 2, 0.125, rise + h), case)
    rim = rng.uniform(0.005, 0.025)
    piece.box(
        (-w / 2 + rim, 0.125, rise + rim * 1.3), (w / 2 - rim, 0.1265, rise + h - rim), case, front=lit_screen(rng)
    )
    piece.box((-0.02, 0.07, 0.01), (0.02, 0.1, rise + h * 0.6), case)
    piece.add(rod(0.1, 0.012), case, at=(0, 0.11, 0)) if rng.random() < 0.5 else piece.box(
        (-0.12, 0.01, 0), (0.12, 0.2, 0.012), case
    )
    return piece


def television(rng: np.random.Generator, width: float) -> Piece:
    """A flat set to hang on a wall or to stand on its feet."""
    height = 0.58 * width
    piece = Piece((width, 0.09, height), Label.TELEVISION)
    case = plain(colours.dark(rng), 0.1, 80.0)
    piece.box((-width / 2, 0.0, 0.0), (width / 2, 0.07, height), case)
    piece.box((-width / 2 + 0.02, 0.07, 0.03), (width / 2 - 0.02, 0.0715, height - 0.02), case, front=lit_screen(rng))
    return piece


def keyboard(rng: np.random.Generator) -> Piece:
    """A keyboard with a mouse at its side."""
    piece = Piece((0.62, 0.16, 0.03), Label.OTHER_PROP)
    case = casing(rng)
    piece.box((-0.3, 0.01, 0.0), (0.14, 0.14, 0.02), case, top=printed(rng, "keyboard"))
    piece.add(
        cushion(0.7, 8), case, at=(-0.36 if rng.random() < 0.8 else 0.22, 0.07, 0.017), scale=(0.03, 0.055, 0.018)
    )
    return piece


def laptop(rng: np.random.Generator) -> Piece:
    """An open laptop."""
    w, d = rng.uniform(0.3, 0.38), rng.uniform(0.21, 0.26)
    piece = Piece((w, d + 0.06, d), Label.OTHER_PROP)
    case = casing(rng)
    piece.box((-w / 2, 0.06, 0.0), (w / 2, 0.06 + d, 0.016), case, top=printed(rng, "keyboard"))
    lean = rotation_x(-rng.uniform(0.05, 0.5))
    centre, half = np.array([0.0, 0.06, 0.016]) + lean @ (0, 0, d / 2), np.array([w / 2, 0.004, d / 2])
    piece.box(tuple(centre - half), tuple(centre + half), case, turn=lean, front=lit_screen(rng))
    return piece


def telephone(rng: np.random.Generator) -> Piece:
    """A desk telephone."""
    case = casing(rng)
    piece = Piece((0.2, 0.22, 0.1), Label.OTHER_PROP)
    piece.box((-0.1, 0.0, 0.01), (0.1, 0.22, 0.05), case, turn=rotation_x(-0.15), top=printed(rng, "keyboard"))
    piece.bar((0.07, 0.02, 0.075), (0.07, 0.21, 0.05), 0.04, case)
    return piece


def desk_lamp(rng: np.random.Generator) -> Piece:
    """A lamp with a jointed arm, or a shade on a foot."""
    body = metallic(rng) if rng.random() < 0.5 else plain(colours.thing(rng), 0.1, 40.0)
    if rng.random() < 0.5:
        return shaded_lamp(rng, float(rng.uniform(0.3, 0.55)), float(rng.uniform(0.09, 0.16)))
    piece = Piece((0.3, 0.3, 0.5), Label.LAMP)
    piece.add(rod(0.08, 0.02), body, at=(0, 0.08, 0))
    elbow = (0.0, rng.uniform(0.0, 0.1), rng.uniform(0.28, 0.4))
    head = (rng.uniform(-0.1, 0.1), 0.28, rng.uniform(0.32, 0.5))
    piece.pole((0, 0.08, 0.02), elbow, 0.008, body)
    piece.pole(elbow, head, 0.008, body)
    piece.add(lathe(((0.07, 0.0), (0.03, 0.09), (0.0, 0.1)), 16), body, at=(head[0], head[1], head[2] - 0.08))
    return piece


def shaded_lamp(rng: np.random.Generator, height: float, radius: float) -> Piece:
    """A cloth shade on a stem: a table or floor lamp; lit or not."""
    piece = Piece((2 * radius, 2 * radius, height), Label.LAMP)
    stem = metallic(rng)
    piece.add(rod(0.65 * radius, 0.02, 0.6 * radius), stem, at=(0, radius, 0))
    piece.add(rod(rng.uniform(0.008, 0.03), height - 0.05), stem, at=(0, radius, 0.02))
    shade = covering(rng, "cloth", colours.white(rng) if rng.random() < 0.7 else colours.thing(rng))
    glow = float(rng.uniform(0.4, 1.5)) if rng.random() < 0.5 else 0.0
    lit = Finish(type(shade.material)(shade.material.colour, shade.material.texture, 0.0, 5.0, glow), shade.repeat_m)
    tall, top = min(0.45 * height, 1.7 * radius), round(float(rng.uniform(0.4, 1.0)), 2)
    piece.add(lathe(((1.0, 0.0), (top, 1.0)), 24), lit, scale=(radius, radius, tall), at=(0, radius, height - tall))
    return piece


def microwave(rng: np.random.Generator) -> Piece:
    """A microwave or small oven."""
    piece = Piece((0.5, 0.38, 0.3), Label.OTHER_PROP)
    case = casing(rng)
    piece.box((-0.25, 0.0, 0.01), (0.25, 0.36, 0.3), case)
    piece.box((-0.11, 0.36, 0.03), (0.24, 0.375, 0.28), plain(colours.dark(rng), 0.15, 120.0))
    piece.box((-0.24, 0.36, 0.03), (-0.13, 0.37, 0.28), casing(rng))
    piece.bar((-0.1, 0.39, 0.05), (-0.1, 0.39, 0.26), 0.018, metallic(rng))
    return piece


def printer(rng: np.random.Generator) -> Piece:
    """A printer with a tray of paper."""
    w, d, h = rng.uniform(0.38, 0.55), rng.uniform(0.35, 0.5), rng.uniform(0.18, 0.4)
    piece = Piece((w, d, h), Label.OTHER_PROP)
    case, part = casing(rng), casing(rng)
    piece.box((-w / 2, 0.0, 0.0), (w / 2, d - 0.04, 0.6 * h), case)
    piece.box((-w / 2, 0.0, 0.65 * h), (w / 2, 0.8 * d, h), case)
    piece.box((-w / 2 + 0.02, 0.02, 0.6 * h), (w / 2 - 0.02, 0.7 * d, 0.65 * h), part)
    piece.box((-0.12, 0.6 * d, 0.61 * h), (0.12, d, 0.62 * h), printed(rng, "page"), Label.PAPER)
    return piece


def cables(rng: np.random.Generator, high: float) -> Piece:
    """Cables that hang behind a desk and lie on the floor in loops."""
    piece = Piece((0.8, 0.3, high), Label.OTHER_PROP)
    finish = plain(colours.dark(rng) if rng.random() < 0.7 else colours.white(rng))
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.uniform(-0.4, 0.4), 0.04
        path = [(x, y, high)]
        for z in np.linspace(high, 0.01, 6)[1:]:
            x, y = x + rng.normal(0, 0.06), float(np.clip(y + rng.normal(0, 0.04), 0.02, 0.28))
            path.append((x, y, float(z)))
        path += [(x + rng.normal(0, 0.12), float(rng.uniform(0.02, 0.28)), 0.01) for _ in range(2)]
        for a, b in itertools.pairwise(path):
            piece.bar(a, b, 0.008, finish)
    return piece


def computer(rng: np.random.Generator) -> Piece:
    """A tower under a desk."""
    w, d, h = rng.uniform(0.16, 0.22), rng.uniform(0.38, 0.5), rng.uniform(0.36, 0.48)
    piece = Piece((w, d, h), Label.OTHER_PROP)
    case, front = casing(rng), casing(rng)
    piece.box((-w / 2, 0.0, 0.0), (w / 2, d, h), case, front=front)
    for z in (0.75, 0.85):
        piece.box((-w / 2 + 0.02, d, z * h), (w / 2 - 0.02, d + 0.004, (z + 0.07) * h), casing(rng))
    return piece
