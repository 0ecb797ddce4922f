"""Things made for this room because the package has no free model of them: pictures, rug, bookshelf, cushions."""

from __future__ import annotations

import artwork
import numpy as np
import surface_textures as surfaces
from scene import SceneBuilder, Soup, joined, painted, placed
from shapes import box, cushion, merged, moved, panel, tilt

BOOKSHELF, PICTURE, PILLOW, FLOOR_MAT, BOOKS = 10, 11, 18, 20, 23


def add_picture(
    builder: SceneBuilder, name: str, centre: tuple[float, float, float], size: tuple[float, float], yaw_deg: float
) -> None:
    """A framed picture; `yaw_deg` 0 looks south, 90 east, -90 west. `centre` lies on the wall; size: width, height."""
    painter = {
        "mountains": artwork.mountain_landscape,
        "abstract": artwork.geometric_abstract,
        "map": artwork.contour_map,
        "fern": artwork.botanical_print,
        "city": artwork.city_poster,
    }[name]
    width, height = size
    builder.texture(name, painter(round(height / 0.0016), round(width / 0.0016), 4))
    builder.texture("frame wood", surfaces.sawn_wood(256, 256, (0.42, 0.28, 0.17), 15))
    builder.texture("mount card", surfaces.speckle(128, 16, 0.01))
    wood = builder.material("frame wood")
    card = builder.material("mount card", tint=(1.3, 1.27, 1.17))
    rim, mount, thick = 0.028, 0.045, 0.024
    w, h = width / 2 + mount, height / 2 + mount
    bars = [((-w - rim, h), (w + rim, h + rim)), ((-w - rim, -h - rim), (w + rim, -h))]
    bars += [((-w - rim, -h), (-w, h)), ((w, -h), (w + rim, h))]
    frame = merged(*[box((a[0], -thick, a[1]), (b[0], 0.0, b[1])) for a, b in bars])
    passe = panel((-w, -0.008, -h), (2 * w, 0, 0), (0, 0, 2 * h), (1.0, 1.0))
    sheet = panel((-width / 2, -0.0095, -height / 2), (width, 0, 0), (0, 0, height))
    whole = joined(
        painted(frame, wood, PICTURE), painted(passe, card, PICTURE), painted(sheet, builder.material(name), PICTURE)
    )
    builder.add(f"picture {name}", placed(whole, *centre, yaw_deg), 0.03)


def add_rug(builder: SceneBuilder, x: float, y: float, size: tuple[float, float], yaw_deg: float) -> None:
    width, depth = size
    builder.texture("rug", artwork.rug(round(depth / 0.0024), round(width / 0.0024), 6))
    builder.texture("linen plain", surfaces.fabric(256, 17))
    low, high = np.array([-width / 2, -depth / 2, 0.0]), np.array([width / 2, depth / 2, 0.012])
    pile = panel((low[0], low[1], high[2]), (width, 0, 0), (0, depth, 0))
    fringe = box(low, high - (0, 0, 0.0005))
    whole = joined(
        painted(pile, builder.material("rug"), FLOOR_MAT),
        painted(fringe, builder.material("linen plain", tint=(0.8, 0.7, 0.55)), FLOOR_MAT),
    )
    builder.add("rug", placed(whole, x, y, 0.0, yaw_deg), 0.04)


def add_cushion(
    builder: SceneBuilder, kind: int, place: tuple[float, float, float], lean_deg: float, yaw_deg: float, size: float
) -> None:
    """A cushion that leans back by `lean_deg` from upright and looks to `yaw_deg` (0 = south)."""
    name = f"cushion {kind}"
    builder.texture(name, artwork.cushion(256, kind, 50 + kind))
    shape = moved(cushion(size, size, 0.15), tilt(90.0 - lean_deg, 0), (0.0, 0.0, 0.0))
    builder.add(name, placed(painted(shape, builder.material(name), PILLOW), *place, yaw_deg), 0.03)


BOOK_COLOURS = (
    (0.48, 0.12, 0.11), (0.13, 0.22, 0.36), (0.16, 0.33, 0.24), (0.78, 0.70, 0.55),
    (0.20, 0.19, 0.19), (0.72, 0.47, 0.16), (0.35, 0.20, 0.13), (0.83, 0.80, 0.74),
    (0.28, 0.42, 0.47), (0.55, 0.30, 0.36), (0.62, 0.62, 0.35), (0.75, 0.33, 0.20),
)  # fmt: skip


def _book(builder: SceneBuilder, size: tuple[float, float, float], seed: int) -> Soup:
    """One upright book: thickness along x, spine to -y, height along z, standing on the origin."""
    thick, deep, high = size
    name = f"spine {seed % 36}"
    if not builder.has_texture(name):
        colour = BOOK_COLOURS[seed % len(BOOK_COLOURS)]
        builder.texture(name, artwork.book_cloth(240, 40, colour, seed))
        builder.texture("paper", surfaces.speckle(64, 3, 0.05))
    cover, paper = builder.material(name), builder.material("paper", tint=(1.1, 1.0, 0.8))
    spine = panel((0, 0, 0), (thick, 0, 0), (0, 0, high))
    sides = merged(
        panel((0, deep, 0), (0, -deep, 0), (0, 0, high), (0.12, 1.0)),
        panel((thick, 0, 0), (0, deep, 0), (0, 0, high), (0.12, 1.0)),
    )
    block = merged(
        panel((0, 0, high - 0.004), (thick, 0, 0), (0, deep, 0)),
        panel((thick, deep, 0), (-thick, 0, 0), (0, 0, high)),
        panel((0, deep, 0.0), (thick, 0, 0), (0, -deep, 0)),
    )
    return joined(painted(spine, cover, BOOKS), painted(sides, cover, BOOKS), painted(block, paper, BOOKS))


def book_row(builder: SceneBuilder, length: float, high: float, seed: int) -> Soup:
    """Books side by side along x from 0 to at most `length`; the last one or two lean."""
    rng = np.random.default_rng(seed)
    books, x = [], 0.0
    while True:
        size = (rng.uniform(0.016, 0.05), rng.uniform(0.13, 0.2), high * rng.uniform(0.68, 0.94))
        if x + size[0] > length:
            break
        book = _book(builder, size, int(rng.integers(1 << 16)))
        books.append(placed(book, x, rng.uniform(0.0, 0.03)))
        x += size[0] + 0.0015
    if length < 0.9:
        book, lean = _book(builder, (0.03, 0.16, 0.8 * high), seed + 5), np.sin(np.deg2rad(14.0))
        books.append(moved(book, tilt(-14.0, 1), (x + 0.8 * high * lean, 0.015, 0.0)))
    return joined(*books)


def book_stack(builder: SceneBuilder, count: int, seed: int) -> Soup:
    """Lying books, centred on the origin, each turned a little."""
    rng = np.random.default_rng(seed)
    books, z = [], 0.0
    for _ in range(count):
        thick, deep, long = rng.uniform(0.02, 0.045), rng.uniform(0.15, 0.19), rng.uniform(0.21, 0.27)
        book = _book(builder, (thick, deep, long), int(rng.integers(1 << 16)))
        # Lay it down: the spine keeps looking to -y, the height runs along x.
        lying = moved(book, tilt(90.0, 1), (-long / 2, -deep / 2, thick))
        books.append(placed(lying, 0.0, 0.0, z, rng.uniform(-16, 16)))
        z += thick
    return joined(*books)


def add_bookshelf(builder: SceneBuilder, x: float, y: float, yaw_deg: float) -> list[float]:
    """Open bookshelf 1.0 x 0.3 x 2.05 m with its back at +y; returns the heights of its boards."""
    width, deep, high, thick = 1.0, 0.30, 2.05, 0.022
    builder.texture("shelf wood", surfaces.sawn_wood(512, 768, (0.50, 0.33, 0.20), 12))
    wood = builder.material("shelf wood")
    levels = [0.06, 0.44, 0.80, 1.14, 1.46, 1.76]
    boards = [box((0, -deep, 0), (thick, 0, high)), box((width - thick, -deep, 0), (width, 0, high))]
    boards += [box((0, -deep, high - thick), (width, 0, high)), box((thick, -0.008, 0), (width - thick, 0, high))]
    boards += [box((thick, -deep + 0.004, z - thick), (width - thick, 0, z)) for z in levels]
    boards += [box((thick, -deep + 0.015, 0), (width - thick, -deep + 0.03, 0.06))]
    builder.add("bookshelf", placed(painted(merged(*boards), wood, BOOKSHELF), x, y, 0.0, yaw_deg), 0.05)
    fill = [(0.96, 0.0), (0.60, 0.0), (0.95, 0.0), (0.50, 0.40), (0.94, 0.0), (0.55, 0.0)]
    for level, (length, start) in enumerate(fill):
        space = (levels[level + 1] if level < 5 else high) - levels[level] - thick
        row = book_row(builder, min(length, width - 2 * thick - start), space, 100 + level)
        shelf = placed(row, thick + start + 0.004, -0.24, levels[level])
        builder.add(f"books {level}", placed(shelf, x, y, 0.0, yaw_deg), 0.06)
    return levels
