"""Small things that stand on tables, shelves, worktops and floors."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.piece import Piece, rotation_x, rotation_z
from streammtl.data.rooms.pieces import devices
from streammtl.data.rooms.shapes import ball, crumpled, cushion, lathe, rod
from streammtl.data.rooms.style import fabric, stuff
from streammtl.data.rooms.textures import colours
from streammtl.data.rooms.textures.bank import Finish, Material, covering, draw, plain, printed

Maker = Callable[[np.random.Generator], Piece]


def standing_book(
    piece: Piece, rng: np.random.Generator, room: tuple[float, float, float, float, float], folder: bool
) -> float:
    """Adds a book or folder to a shelf row (x, x end, depth, z, free height); returns the next free x."""
    x, end, depth, z, space = room
    thick = float(rng.uniform(0.035, 0.08) if folder else np.exp(rng.uniform(np.log(0.008), np.log(0.055))))
    if x + thick > end:
        return end
    height = min(0.32 if folder else float(rng.uniform(0.14, 0.31)), space)
    deep = min(depth - 0.01, 0.28 if folder else float(rng.uniform(0.11, 0.24)))
    back = Finish(Material(colours.thing(rng), draw(rng, "spine"), 0.04, 30.0))
    cover = plain(back.material.colour)
    leaves = plain(colours.to_linear((0.9, 0.87, 0.8)))
    front = depth - rng.uniform(0.0, 0.03)
    turn = None
    if rng.random() < 0.08 and x + thick + 0.25 * height < end:
        lean = float(rng.uniform(0.05, 0.25))
        c, s = np.cos(lean), np.sin(lean)
        turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        x += height * s / 2
    low, high = (x, front - deep, z), (x + thick, front, z + height)
    piece.box(low, high, cover, Label.BOOKS, turn, front=back, top=leaves, back=leaves)
    return x + thick + (0.0 if turn is None else height * 0.15) + (0.001 if rng.random() < 0.9 else 0.03)


def book(rng: np.random.Generator) -> Piece:
    """One to five books or magazines lying in a heap, each turned a little."""
    piece = Piece((0.32, 0.32, 0.05), Label.BOOKS)
    z = 0.0
    for _ in range(int(rng.choice([1, 1, 1, 2, 3, 5]))):
        w, d, h = rng.uniform(0.1, 0.23), rng.uniform(0.15, 0.3), np.exp(rng.uniform(np.log(0.004), np.log(0.04)))
        turn = rotation_z(rng.normal(0, 0.25))
        cover, leaves = printed(rng, "cover"), plain(colours.to_linear((0.9, 0.87, 0.8)))
        side = plain(colours.thing(rng))
        low, high = (-w / 2, 0.16 - d / 2, z), (w / 2, 0.16 + d / 2, z + h)
        piece.box(low, high, leaves, turn=turn, top=cover, left=side)
        z += h
    piece.size = (0.32, 0.32, z)
    return piece


def book_row(rng: np.random.Generator) -> Piece:
    """Books or folders that stand in a row by themselves."""
    width, depth = float(rng.uniform(0.12, 0.5)), float(rng.uniform(0.18, 0.26))
    piece = Piece((width, depth, 0.32), Label.BOOKS)
    x, folders = -width / 2, bool(rng.random() < 0.25)
    while x < width / 2 - 0.02:
        x = standing_book(piece, rng, (x, width / 2, depth, 0.0, 0.31), folders)
    piece.size = (width, depth, max(float(c[2] + a[2].max()) for c, a in zip(piece.centres, piece.axes, strict=True)))
    return piece


def lunch_box(rng: np.random.Generator) -> Piece:
    """A rounded box with a lid."""
    w, d, h = (float(v) for v in rng.uniform((0.1, 0.08, 0.04), (0.32, 0.22, 0.14)))
    piece = Piece((w, d, h), Label.OTHER_PROP)
    body = plain(colours.white(rng) if rng.random() < 0.5 else colours.pastel(rng), 0.1, 50.0)
    piece.add(cushion(0.18, 10), body, at=(0, d / 2, 0.42 * h), scale=(w / 2 - 0.008, d / 2 - 0.008, 0.42 * h))
    piece.add(cushion(0.18, 10), stuff(rng), at=(0, d / 2, 0.88 * h), scale=(w / 2, d / 2, 0.12 * h))
    return piece


def paper(rng: np.random.Generator) -> Piece:
    """Loose sheets, fanned out, each lying on the one below."""
    piece = Piece((0.34, 0.34, 0.01), Label.PAPER)
    for k in range(int(rng.integers(1, 7))):
        x, y = rng.normal((0, 0.17), 0.03)
        w, d = (0.105, 0.1485) if rng.random() < 0.8 else rng.uniform(0.04, 0.12, 2)
        sheet = printed(rng, "page" if rng.random() < 0.8 else "photograph")
        low, high = (x - w, y - d, 0.0015 * k), (x + w, y + d, 0.0015 * k + 0.001)
        piece.box(low, high, sheet, turn=rotation_z(rng.normal(0, 0.4)))
    return piece


def standing_card(rng: np.random.Generator) -> Piece:
    """A leaflet, photo frame, calendar or small poster that leans back."""
    w, h = rng.uniform(0.05, 0.15), rng.uniform(0.1, 0.32)
    lean = rotation_x(-rng.uniform(0.1, 0.35))
    piece = Piece((2 * w, 0.14, h), Label.PAPER if rng.random() < 0.6 else Label.OTHER_PROP)
    front = printed(rng, str(rng.choice(["cover", "page", "photograph", "poster"])))
    side = plain(colours.white(rng)) if piece.label == Label.PAPER else stuff(rng)
    centre = np.array([0.0, 0.07, h / 2])
    half = np.array([w, 0.004, h / 2])
    piece.box(tuple(centre - half), tuple(centre + half), side, turn=lean, front=front)
    if rng.random() < 0.5:
        piece.bar((0, 0.075, 0.6 * h), (0, 0.0, 0.0), 0.012, side)
    return piece


def cup(rng: np.random.Generator) -> Piece:
    """A mug with a handle, hollow, or a glass."""
    r, h = rng.uniform(0.03, 0.05), rng.uniform(0.06, 0.13)
    flare, t = rng.uniform(0.8, 1.15), 0.004
    clay = covering(rng, "speckle", colours.thing(rng) if rng.random() < 0.5 else colours.white(rng), shiny=True)
    profile = ((0.0, 0.0), (r * flare, 0.0), (r, h), (r - t, h), (r * flare - t, t), (0.0, t))
    piece = Piece((2.6 * r, 2 * r, h), Label.OTHER_PROP)
    piece.add(lathe(tuple((round(a, 4), round(b, 4)) for a, b in profile), 18), clay, at=(0, r, 0))
    if rng.random() < 0.6:
        piece.add(rod(r * 0.95, 0.002), plain(colours.brown(rng)), at=(0, r, h * rng.uniform(0.4, 0.85)))
    if rng.random() < 0.7:
        turn = np.linspace(-1.3, 1.3, 6)
        path = [(r + 0.6 * r * np.cos(a), r, h / 2 + 0.33 * h * np.sin(a)) for a in turn]
        for a, b in itertools.pairwise(path):
            piece.pole(a, b, 0.005, clay)
    return piece


def dish(rng: np.random.Generator) -> Piece:
    """Plates in a pile, or a bowl, often with fruit."""
    clay = covering(rng, "speckle", colours.white(rng) if rng.random() < 0.7 else colours.thing(rng), shiny=True)
    r = float(rng.uniform(0.07, 0.15))
    piece = Piece((2 * r, 2 * r, 0.05), Label.OTHER_PROP)
    if rng.random() < 0.5:
        for k in range(int(rng.choice([1, 1, 3, 8]))):
            piece.add(
                lathe(((0.0, 0.0), (0.6, 0.0), (1.0, 0.12), (0.6, 0.02), (0.0, 0.02)), 24),
                clay,
                scale=r,
                at=(0, r, 0.012 * k),
            )
        return piece
    deep = float(rng.uniform(0.4, 0.8))
    bowl = (
        (0.0, 0.0),
        (0.5, 0.0),
        (0.85, round(0.5 * deep, 3)),
        (1.0, round(deep, 3)),
        (0.94, round(deep, 3)),
        (0.5, 0.06),
        (0.0, 0.06),
    )
    piece.add(lathe(bowl, 22), clay, scale=r, at=(0, r, 0))
    if rng.random() < 0.6:
        for _ in range(int(rng.integers(2, 9))):
            x, y = rng.uniform(-0.5, 0.5, 2) * r
            fruit = covering(rng, "speckle", colours.vivid(rng))
            piece.add(
                ball(8), fruit, at=(x, r + y, 0.5 * deep * r + rng.uniform(0.01, 0.04)), scale=rng.uniform(0.03, 0.042)
            )
    piece.size = (2 * r, 2 * r, deep * r + 0.05)
    return piece


def bottle(rng: np.random.Generator) -> Piece:
    """Bottles, cans, jars, vases, dispensers: anything turned, with a label around it or without."""
    r, h = rng.uniform(0.02, 0.06), rng.uniform(0.08, 0.34)
    neck, shoulder = rng.uniform(0.25, 1.0), rng.uniform(0.5, 0.9)
    profile = (
        (0.0, 0.0),
        (1.0, 0.0),
        (1.0, round(shoulder, 2)),
        (round(neck, 2), round(min(shoulder + 0.2, 0.97), 2)),
        (round(neck, 2), 1.0),
        (0.0, 1.0),
    )
    piece = Piece((2 * r, 2 * r, h), Label.OTHER_PROP)
    body = plain(colours.thing(rng), 0.2, 90.0) if rng.random() < 0.6 else stuff(rng)
    piece.add(lathe(profile, 16), body, at=(0, r, 0), scale=(r, r, h))
    if rng.random() < 0.6:
        band = lathe(((1.02, 0.1), (1.02, 0.9)), 16)
        shape = band._replace(uv=band.uv / (2 * np.pi, 0.8))
        piece.add(shape, printed(rng, "cover"), at=(0, r, 0.05 * h), scale=(r, r, shoulder * h * 0.9))
    return piece


def packet(rng: np.random.Generator) -> Piece:
    """A printed box: food, tissue, electronics."""
    w, d, h = (float(v) for v in np.exp(rng.uniform(np.log(0.03), np.log(0.28), 3)))
    label = Label.BOX if max(w, d, h) > 0.15 else Label.OTHER_PROP
    piece = Piece((w, d, h), label)
    side = plain(colours.thing(rng)) if rng.random() < 0.6 else stuff(rng)
    face = printed(rng, "cover") if rng.random() < 0.75 else side
    piece.box((-w / 2, 0, 0), (w / 2, d, h), side, front=face, back=face, top=face if rng.random() < 0.4 else side)
    return piece


def gadget(rng: np.random.Generator) -> Piece:
    """A lump of odd boxes and round parts, as tools, toys and machines are."""
    size = float(np.exp(rng.uniform(np.log(0.05), np.log(0.22))))
    piece = Piece((size, size, size), Label.OTHER_PROP)
    finishes = [stuff(rng) for _ in range(2)]
    for _ in range(int(rng.integers(2, 6))):
        half = rng.uniform(0.08, 0.35, 3) * size
        centre = np.array([*(rng.uniform(-0.2, 0.2, 2) * size + (0, size / 2)), half[2] * rng.uniform(1, 2)])
        finish = finishes[int(rng.integers(2))]
        if rng.random() < 0.5:
            piece.box(tuple(centre - half), tuple(centre + half), finish, turn=rotation_z(rng.uniform(0, 3)))
        else:
            piece.add(cushion(float(rng.choice([0.4, 1.0])), 8), finish, at=centre, scale=tuple(half))
    return piece


def cloth_heap(rng: np.random.Generator) -> Piece:
    """Clothes or a towel, dropped."""
    w, d, h = rng.uniform(0.2, 0.6), rng.uniform(0.2, 0.5), rng.uniform(0.03, 0.16)
    piece = Piece((w, d, h), Label.CLOTHES if rng.random() < 0.7 else Label.TOWEL)
    piece.add(crumpled(w, d, h, rng), fabric(rng), at=(0, d / 2, 0))
    return piece


def bag(rng: np.random.Generator) -> Piece:
    """A bag, rucksack or plastic sack."""
    w, d, h = rng.uniform(0.12, 0.2), rng.uniform(0.08, 0.14), rng.uniform(0.15, 0.26)
    piece = Piece((2 * w, 2 * d, 2.2 * h), Label.BAG)
    cover = covering(rng, "cloth", (colours.dark, colours.muted, colours.vivid)[int(rng.integers(3))](rng))
    piece.add(cushion(float(rng.choice([0.25, 0.35, 0.5])), 10), cover, at=(0, d, h), scale=(w, d, h))
    piece.add(cushion(0.4, 8), fabric(rng), at=(0, 1.9 * d, 0.6 * h), scale=(0.7 * w, 0.35 * d, 0.45 * h))
    for sx in (-1, 1):
        path = [(sx * 0.4 * w, d, 1.9 * h), (sx * 0.3 * w, d, 2.3 * h), (0.0, d, 2.4 * h)]
        for a, b in itertools.pairwise(path):
            piece.pole(a, b, 0.012, cover)
    return piece


def basket(rng: np.random.Generator) -> Piece:
    """A bin, bucket or basket, open."""
    r, h = float(rng.uniform(0.1, 0.2)), float(rng.uniform(0.2, 0.5))
    foot = round(float(rng.uniform(0.7, 1.0)), 2)
    piece = Piece((2 * r, 2 * r, h), Label.OTHER_PROP)
    profile = ((0.0, 0.0), (foot, 0.0), (1.0, 1.0), (0.94, 1.0), (foot - 0.06, 0.03), (0.0, 0.03))
    piece.add(lathe(profile, 20), stuff(rng), scale=(r, r, h), at=(0, r, 0))
    if rng.random() < 0.5:
        piece.add(crumpled(1.3 * r, 1.3 * r, 0.3 * h, rng, 8), plain(colours.white(rng)), at=(0, r, 0.5 * h))
    return piece


def pot(rng: np.random.Generator) -> Piece:
    """A pan or pot with handles and perhaps a lid, a kettle."""
    r, h = float(rng.uniform(0.08, 0.16)), float(rng.uniform(0.06, 0.22))
    metal = covering(rng, "metal", colours.grey(rng) if rng.random() < 0.6 else colours.thing(rng), shiny=True)
    piece = Piece((3.4 * r, 2 * r, h), Label.OTHER_PROP)
    piece.add(
        lathe(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.96, 1.0), (0.96, 0.05), (0.0, 0.05)), 22),
        metal,
        scale=(r, r, h),
        at=(0, r, 0),
    )
    if rng.random() < 0.6:
        piece.add(
            lathe(((1.0, 0.0), (0.9, 0.12), (0.1, 0.22), (0.1, 0.4), (0.0, 0.4)), 22),
            metal,
            scale=(r, r, 0.4 * r),
            at=(0, r, h),
        )
    piece.bar((r, r, 0.8 * h), (1.9 * r, r, 0.85 * h), 0.02, plain(colours.dark(rng)))
    return piece


ON_TABLE: dict[Maker, float] = {
    book: 3,
    paper: 4,
    cup: 3,
    dish: 2,
    bottle: 2,
    packet: 2,
    standing_card: 1,
    book_row: 0.4,
    lunch_box: 1,
    gadget: 2,
    cloth_heap: 0.4,
    bag: 0.4,
    devices.laptop: 0.7,
}
ON_DESK: dict[Maker, float] = {
    book_row: 1,
    book: 3,
    paper: 6,
    cup: 2,
    bottle: 1,
    packet: 1,
    standing_card: 1,
    gadget: 2,
    devices.laptop: 1,
    devices.telephone: 1,
    devices.desk_lamp: 1,
}
ON_WORKTOP: dict[Maker, float] = {
    lunch_box: 1.5,
    book_row: 0.4,
    book: 1,
    paper: 1,
    cup: 3,
    dish: 3,
    bottle: 5,
    packet: 4,
    standing_card: 2.5,
    gadget: 2.5,
    pot: 3,
    cloth_heap: 0.6,
    devices.microwave: 0.6,
}
ON_SHELF: dict[Maker, float] = {
    book_row: 2,
    lunch_box: 0.5,
    book: 1,
    cup: 1,
    dish: 1,
    bottle: 2,
    packet: 3,
    gadget: 2,
    standing_card: 2,
    pot: 0.5,
}
ON_FLOOR: dict[Maker, float] = {
    bag: 2,
    basket: 2,
    packet: 1,
    cloth_heap: 1.5,
    gadget: 1,
    book: 0.5,
    paper: 0.5,
    bottle: 0.5,
}


VARIANTS = 64


@lru_cache(maxsize=4096)
def variant(make: Maker, number: int) -> Piece:
    """One of VARIANTS things of a kind, made once: rooms share them, so it must not be changed."""
    return make(np.random.default_rng([number, 22]))


def any_small(rng: np.random.Generator, choice: dict[Maker, float]) -> Piece:
    """One thing out of a weighted choice."""
    ladder = np.cumsum(list(choice.values()))
    make = list(choice)[int(np.searchsorted(ladder, rng.random() * ladder[-1]))]
    return variant(make, int(rng.integers(VARIANTS)))
