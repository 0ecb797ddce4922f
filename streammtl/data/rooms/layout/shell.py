"""Floor, ceiling, walls with holes for openings, skirting."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.layout.placing import Layout
from streammtl.data.rooms.layout.plan import Wall, rectangles
from streammtl.data.rooms.piece import Piece
from streammtl.data.rooms.shapes import Shape, joined, panel
from streammtl.data.rooms.style import Style
from streammtl.data.rooms.textures import colours
from streammtl.data.rooms.textures.bank import Finish, covering

FLOORS = {
    "kitchen": ("tiles", "tiles", "boards", "boards", "carpet", "marble"),
    "bathroom": ("tiles", "tiles", "tiles", "marble"),
    "office": ("carpet", "carpet", "carpet", "boards", "speckle", "parquet"),
    "classroom": ("speckle", "carpet", "boards", "tiles", "parquet"),
    "corridor": ("boards", "carpet", "tiles", "parquet", "marble"),
}


PILLAR_SHARE = 0.3


@dataclass(frozen=True)
class Hole:
    """A rectangular opening in a wall: from, to along the wall; from, to in height. Metres."""

    wall: Wall
    low: float
    high: float
    bottom: float
    top: float


def floor_finish(rng: np.random.Generator, kind: str) -> Finish:
    """What people walk on in such a room."""
    family = str(rng.choice(FLOORS.get(kind, ("boards", "boards", "parquet", "carpet", "tiles"))))
    if family in ("boards", "parquet"):
        return covering(
            rng, family, colours.brown(rng) if rng.random() < 0.85 else colours.grey(rng), rng.random() < 0.2
        )
    if family == "carpet":
        return covering(rng, family, [colours.grey, colours.muted, colours.dark][int(rng.integers(3))](rng))
    return covering(
        rng, family, [colours.white, colours.grey, colours.pastel, colours.brown][int(rng.integers(4))](rng)
    )


def wall_finish(rng: np.random.Generator, kind: str) -> Finish:
    """Paint most of the time; wall paper, wood, bricks or tiles where they belong."""
    draw = rng.random()
    paint = [colours.white, colours.white, colours.pastel, colours.grey, colours.muted][int(rng.integers(5))]
    if kind == "bathroom" and draw < 0.7:
        return covering(rng, "tiles", [colours.white, colours.pastel, colours.thing][int(rng.integers(3))](rng), True)
    if draw < 0.75 or kind in ("office", "classroom", "breakroom"):
        return covering(rng, "plaster", paint(rng))
    family = str(rng.choice(["wallpaper", "wallpaper", "bricks", "boards"]))
    return covering(rng, family, colours.brown(rng) if family == "boards" else paint(rng))


def wall_shape(wall: Wall, height: float, holes: list[Hole], span: tuple[float, float]) -> Shape | None:
    """The wall's surface between two heights, less its holes."""
    bottom, top = span[0], min(span[1], height)
    xs = sorted({0.0, wall.length, *(h.low for h in holes), *(h.high for h in holes)})
    zs = sorted({bottom, top, *(min(max(z, bottom), top) for h in holes for z in (h.bottom, h.top))})
    parts = []
    for x0, x1 in itertools.pairwise(xs):
        for z0, z1 in itertools.pairwise(zs):
            x, z = 0.5 * (x0 + x1), 0.5 * (z0 + z1)
            if any(h.low < x < h.high and h.bottom < z < h.top for h in holes):
                continue
            origin = np.array([*wall.at(x0), z0])
            # Across runs against the wall's direction so that across x up points into the room.
            part = panel(origin, np.array([*(wall.along * (x1 - x0)), 0.0]), np.array([0, 0, z1 - z0]))
            parts.append(part._replace(normals=-part.normals, uv=part.uv + np.array([x0, z0])))
    return joined(*parts) if parts else None


def build_shell(layout: Layout, style: Style, kind: str, holes: list[Hole]) -> None:
    """Adds the structure to the mesh; every wall, the floor and the ceiling are instances of their own.

    Some rooms get pillars, chimneys or shafts that stick out of their walls.
    """
    rng, height = layout.rng, layout.height
    common = wall_finish(rng, kind)
    dado = (
        covering(rng, "tiles" if kind == "bathroom" else "boards", colours.thing(rng)) if rng.random() < 0.12 else None
    )
    split = float(rng.uniform(0.9, 1.4))
    accent = wall_finish(rng, kind) if rng.random() < 0.35 else None
    skirting = [covering(rng, "speckle", colours.white(rng)), style.paint, style.wood][
        int(rng.choice(3, p=(0.6, 0.1, 0.3)))
    ]
    odd = int(rng.integers(len(layout.walls)))
    for number, wall in enumerate(layout.walls):
        piece = Piece((wall.length, 0.0, height), Label.WALL)
        mine = [h for h in holes if h.wall is wall]
        finish = accent if accent is not None and number == odd else common
        for cover, span in ((dado, (0.0, split)), (finish, (split, height))) if dado else ((finish, (0.0, height)),):
            shape = wall_shape(wall, height, mine, span)
            if shape is not None:
                piece.add(shape, cover)
        _skirting(piece, wall, mine, skirting)
        layout.assembly.put(piece, np.eye(3), np.zeros(3))
    _levels(layout, kind)
    for _ in range(int(rng.integers(1, 3)) if rng.random() < PILLAR_SHARE else 0):
        width, depth = (float(v) for v in rng.uniform((0.2, 0.12), (0.8, 0.45)))
        pillar = Piece((width, depth, height), Label.WALL)
        pillar.box((-width / 2, 0.0, 0.0), (width / 2, depth, height), common)
        layout.against_wall(pillar, off=0.0, tries=6)


def _skirting(piece: Piece, wall: Wall, holes: list[Hole], finish: Finish) -> None:
    cuts = sorted((h.low, h.high) for h in holes if h.bottom < 0.05)
    edges = [0.0, *(e for cut in cuts for e in cut), wall.length]
    turn = np.array([[wall.along[0], wall.inward[0], 0], [wall.along[1], wall.inward[1], 0], [0, 0, 1.0]])
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        if high - low < 0.05:
            continue
        centre = np.array([*wall.at(0.5 * (low + high), 0.006), 0.045])
        half = np.array([0.5 * (high - low), 0.006, 0.045])
        piece.box(tuple(centre - half), tuple(centre + half), finish, turn=turn)


def _levels(layout: Layout, kind: str) -> None:
    rng = layout.rng
    parts = rectangles(layout.floor)
    one, other = floor_finish(rng, kind), floor_finish(rng, kind)
    two = rng.random() < (0.4 if kind == "breakroom" else 0.08)
    floor, ceiling = Piece((1.0, 1.0, 0.0), Label.FLOOR), Piece((1.0, 1.0, 0.0), Label.CEILING)
    top = covering(rng, "plaster" if rng.random() < 0.75 else "tiles", colours.white(rng))
    for k, (low, high) in enumerate(parts):
        size = high - low
        cut = rng.uniform(0.3, 0.7) * size[0] if two and len(parts) == 1 else 0.0
        for x0, x1, finish in ((low[0], low[0] + cut, other), (low[0] + cut, high[0], other if two and k % 2 else one)):
            if x1 - x0 > 0.01:
                shape = panel((x0, low[1], 0), (x1 - x0, 0, 0), (0, size[1], 0))
                floor.add(shape._replace(uv=shape.uv + np.array([x0, low[1]])), finish)
        shape = panel((low[0], low[1], layout.height), (0, size[1], 0), (size[0], 0, 0))
        ceiling.add(shape._replace(uv=shape.uv + low[::-1]), top)
    for piece in (floor, ceiling):
        layout.assembly.put(piece, np.eye(3), np.zeros(3))
