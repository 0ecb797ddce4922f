"""Kitchen units: base cabinets with a worktop, sinks, hobs, ovens, wall cupboards, hoods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.piece import Piece, Top
from streammtl.data.rooms.pieces.storage import fronts
from streammtl.data.rooms.shapes import rod
from streammtl.data.rooms.style import Style
from streammtl.data.rooms.textures import colours
from streammtl.data.rooms.textures.bank import Finish, covering, plain, printed

BASIN_M = 0.17


@dataclass(frozen=True)
class KitchenStyle:
    """What all units of one kitchen share. Metres."""

    front: Finish
    worktop: Finish
    splash: Finish
    handle: Finish
    depth: float
    height: float
    thick: float


def kitchen_style(rng: np.random.Generator, style: Style) -> KitchenStyle:
    """Fronts white, of wood, or in a strong or dark lacquer; worktops of stone, wood or laminate."""
    colour = [colours.white, colours.vivid, colours.dark, colours.grey, colours.pastel][
        int(rng.choice(5, p=(0.35, 0.25, 0.15, 0.15, 0.1)))
    ](rng)
    front = style.wood if rng.random() < 0.3 else covering(rng, "speckle", colour, shiny=rng.random() < 0.6)
    top = [
        covering(rng, "marble", [colours.grey, colours.white, colours.brown][int(rng.integers(3))](rng), shiny=True),
        covering(rng, "marble", colours.dark(rng), shiny=True),
        style.second_wood,
        plain([colours.grey, colours.white, colours.dark][int(rng.integers(3))](rng), 0.12, 60.0),
    ][int(rng.integers(4))]
    splash = covering(
        rng, "tiles", [colours.white, colours.pastel, colours.grey, colours.thing][int(rng.integers(4))](rng), True
    )
    if rng.random() < 0.2:
        splash = plain(colours.thing(rng), 0.15, 90.0)
    return KitchenStyle(
        front,
        top,
        splash,
        style.metal,
        float(rng.uniform(0.56, 0.65)),
        float(rng.uniform(0.84, 0.94)),
        float(rng.uniform(0.02, 0.05)),
    )


def base_row(rng: np.random.Generator, look: KitchenStyle, width: float, fittings: bool = True) -> Piece:
    """A row of base units under one worktop; with `fittings` a sink and a hob with an oven among them."""
    depth, height = look.depth, look.height
    piece = Piece((width, depth + 0.03, height), Label.CABINET)
    count = max(1, round(width / rng.uniform(0.42, 0.62)))
    step, under = width / count, height - look.thick
    plinth = look.handle if rng.random() < 0.4 else plain(colours.grey(rng))
    piece.box((-width / 2, 0.0, 0.0), (width / 2, depth - 0.07, 0.1), plinth)
    order = rng.permutation(count)
    sink = int(order[0]) if fittings and step > 0.4 else -1
    hob = int(order[1]) if fittings and count > 2 else -1
    for k in range(count):
        left, right = -width / 2 + k * step, -width / 2 + (k + 1) * step
        # The basin hangs in its unit.
        body = under - BASIN_M - 0.01 if k == sink else under
        piece.box((left, 0.0, 0.1), (right, depth - 0.02, body), look.front)
        area = (left, right, 0.11, under - 0.01)
        if k == hob and rng.random() < 0.7:
            _oven(piece, rng, area, depth - 0.02)
        else:
            kind = "drawers" if rng.random() < 0.3 else "doors"
            fronts(piece, rng, area, depth - 0.02, look.front, look.handle, kind)
    _worktop(piece, rng, look, (width, step, sink))
    spans = [(-width / 2 + k * step, -width / 2 + (k + 1) * step) for k in range(count) if k not in (sink, hob)]
    piece.tops += [Top((low, 0.02), (high, depth), height, 0.5) for low, high in spans]
    if hob >= 0:
        _hob(piece, rng, -width / 2 + (hob + 0.5) * step, look)
        piece.tops.append(
            Top((-width / 2 + hob * step, 0.1), (-width / 2 + (hob + 1) * step, depth - 0.1), height + 0.01, 0.4)
        )
    piece.focus += [(x, depth / 2, height) for x in np.arange(-width / 2 + 0.3, width / 2, 0.6)]
    return piece


def _worktop(piece: Piece, rng: np.random.Generator, look: KitchenStyle, shape: tuple[float, float, int]) -> None:
    width, step, sink = shape
    depth, low, high = look.depth + 0.02, look.height - look.thick, look.height
    if sink < 0:
        piece.box((-width / 2, 0.0, low), (width / 2, depth, high), look.worktop, Label.COUNTER)
        return
    x0, x1 = -width / 2 + sink * step + 0.04, -width / 2 + (sink + 1) * step - 0.04
    y0, y1 = 0.12, depth - 0.1
    for a, b in (
        ((-width / 2, 0.0), (x0, depth)),
        ((x1, 0.0), (width / 2, depth)),
        ((x0, 0.0), (x1, y0)),
        ((x0, y1), (x1, depth)),
    ):
        piece.box((*a, low), (*b, high), look.worktop, Label.COUNTER)
    basin(piece, rng, (x0, x1, y0, y1), high, BASIN_M)


def basin(
    piece: Piece, rng: np.random.Generator, area: tuple[float, float, float, float], top: float, deep: float
) -> None:
    """A sunk rectangular basin with a tap; its rim lies on `top`."""
    x0, x1, y0, y1 = area
    steel = covering(rng, "metal", colours.to_linear((0.75, 0.76, 0.78)), shiny=True)
    if rng.random() < 0.25:
        steel = plain(colours.white(rng), 0.15, 80.0)
    t = 0.012
    piece.box((x0, y0, top - deep), (x1, y1, top - deep + t), steel, Label.SINK)
    for low, high in (
        ((x0, y0), (x0 + t, y1)),
        ((x1 - t, y0), (x1, y1)),
        ((x0, y0), (x1, y0 + t)),
        ((x0, y1 - t), (x1, y1)),
    ):
        piece.box((*low, top - deep), (*high, top + 0.004), steel, Label.SINK)
    tap(piece, rng, 0.5 * (x0 + x1), y0 - 0.04, top)


def tap(piece: Piece, rng: np.random.Generator, x: float, y: float, z: float) -> None:
    """A mixer tap with a spout towards the front."""
    chrome = covering(rng, "metal", colours.to_linear((0.85, 0.85, 0.87)), shiny=True)
    high, reach = float(rng.uniform(0.1, 0.3)), float(rng.uniform(0.12, 0.2))
    piece.pole((x, y, z), (x, y, z + high), 0.014, chrome, Label.OTHER_PROP)
    piece.pole((x, y, z + high), (x, y + reach, z + high - 0.02), 0.011, chrome, Label.OTHER_PROP)
    piece.pole((x, y + reach, z + high - 0.02), (x, y + reach, z + high - 0.06), 0.011, chrome, Label.OTHER_PROP)
    piece.pole((x, y, z + high), (x + 0.06, y, z + high + 0.04), 0.008, chrome, Label.OTHER_PROP)


def _oven(piece: Piece, rng: np.random.Generator, area: tuple[float, float, float, float], y: float) -> None:
    x0, x1, z0, z1 = area
    steel = covering(rng, "metal", colours.grey(rng), shiny=True)
    piece.box((x0 + 0.004, y, z0), (x1 - 0.004, y + 0.022, z1), steel, Label.OTHER_FURNITURE)
    glass = plain(colours.dark(rng), 0.2, 120.0)
    piece.box((x0 + 0.06, y + 0.022, z0 + 0.1), (x1 - 0.06, y + 0.026, z1 - 0.2), glass, Label.OTHER_FURNITURE)
    piece.bar((x0 + 0.06, y + 0.06, z1 - 0.16), (x1 - 0.06, y + 0.06, z1 - 0.16), 0.02, steel, Label.OTHER_FURNITURE)
    turn = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    for x in np.linspace(x0 + 0.1, x1 - 0.1, 5):
        piece.add(rod(0.016, 0.02, sides=12), glass, Label.OTHER_FURNITURE, (x, y + 0.022, z1 - 0.06), turn=turn)


def _hob(piece: Piece, rng: np.random.Generator, x: float, look: KitchenStyle) -> None:
    half, z = 0.27, look.height
    black = plain(colours.dark(rng), 0.2, 120.0)
    piece.box((x - half, 0.08, z), (x + half, look.depth - 0.06, z + 0.008), black, Label.OTHER_FURNITURE)
    ring = plain(colours.grey(rng))
    for sx in (-1, 1):
        for y in (0.2, look.depth - 0.2):
            piece.add(
                rod(rng.uniform(0.06, 0.1), 0.004, sides=20), ring, Label.OTHER_FURNITURE, (x + sx * 0.13, y, z + 0.008)
            )


def wall_cupboard(rng: np.random.Generator, look: KitchenStyle, width: float) -> Piece:
    """A row of cupboards to hang above a worktop."""
    height, depth = float(rng.uniform(0.5, 0.9)), float(rng.uniform(0.3, 0.38))
    piece = Piece((width, depth, height), Label.CABINET)
    piece.box((-width / 2, 0.0, 0.0), (width / 2, depth - 0.02, height), look.front)
    fronts(piece, rng, (-width / 2, width / 2, 0.0, height), depth - 0.02, look.front, look.handle, "doors")
    piece.tops.append(Top((-width / 2, 0.0), (width / 2, depth), height, 0.3))
    return piece


def hood(rng: np.random.Generator, style: Style, height: float) -> Piece:
    """An extractor hood with its duct up to the ceiling."""
    piece = Piece((0.6, 0.5, height), Label.OTHER_STRUCTURE)
    steel = covering(rng, "metal", colours.grey(rng), shiny=True)
    piece.box((-0.3, 0.0, 0.0), (0.3, 0.48, 0.06), steel)
    piece.bar((0.0, 0.16, 0.06), (0.0, 0.16, height), 0.28, steel)
    return piece


def splash_back(look: KitchenStyle, width: float, height: float) -> Piece:
    """Tiles on the wall behind a worktop: a thin slab that counts as wall."""
    piece = Piece((width, 0.008, height), Label.WALL)
    piece.box((-width / 2, 0.0, 0.0), (width / 2, 0.008, height), look.splash)
    return piece


def notice(rng: np.random.Generator) -> Piece:
    """One small sheet on a tiled wall."""
    w, h = rng.uniform(0.04, 0.11), rng.uniform(0.06, 0.15)
    piece = Piece((2 * w, 0.012, 2 * h), Label.PAPER)
    face = printed(rng, str(rng.choice(["page", "cover", "poster"])))
    piece.box((-w, 0.0, 0.0), (w, 0.012, 2 * h), plain(colours.white(rng)), front=face)
    return piece
