"""Kitchens, and rooms where people of an office eat."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.layout.placing import Layout, Placed
from streammtl.data.rooms.layout.plan import Wall
from streammtl.data.rooms.pieces import devices, kitchen, small, soft, storage
from streammtl.data.rooms.programmes import zones
from streammtl.data.rooms.supply import Supply


def furnish(layout: Layout, supply: Supply) -> None:
    """Rows of units along one to three walls, a cluttered table, shelves and a television."""
    rng = layout.rng
    units(layout, supply, supply.count(1, 3))
    zones.dining(layout, supply, supply.count(6, 18))
    _extras(layout, supply)
    zones.cabinets_at_walls(layout, supply, supply.count(0, 2))
    zones.shelves_at_walls(layout, supply, supply.count(0, 1), "things")
    for _ in range(supply.count(0, 2)):
        layout.hang(soft.towel(rng), 0.8, 1.2)


def furnish_breakroom(layout: Layout, supply: Supply) -> None:
    """A kitchenette, a long table with many chairs, a sofa, plants, posters."""
    rng = layout.rng
    units(layout, supply, supply.count(0, 2))
    size = (float(rng.uniform(1.8, 3.2)), float(rng.uniform(0.8, 1.1)), float(rng.uniform(0.72, 0.78)))
    zones.dining(layout, supply, supply.count(6, 20), wall=False, size=size)
    if supply.chance(0.5):
        zones.dining(layout, supply, supply.count(2, 8))
    if supply.chance(0.75):
        layout.against_wall(supply.of(soft.sofa, (Label.SOFA,)))
    _extras(layout, supply)
    zones.cabinets_at_walls(layout, supply, supply.count(0, 3))
    zones.shelves_at_walls(layout, supply, supply.count(0, 2), "folders")
    zones.desks_at_walls(layout, supply, supply.count(0, 1))


def _extras(layout: Layout, supply: Supply) -> None:
    rng = layout.rng
    if supply.chance(0.5):
        layout.hang(devices.television(rng, float(rng.uniform(0.6, 1.3))), 1.2, 1.8)
    for _ in range(supply.count(0, 2)):
        layout.hang(storage.wall_shelf(rng, supply.style, float(rng.uniform(0.5, 1.6))), 1.1, 1.5)


def units(layout: Layout, supply: Supply, rows: int) -> None:
    """Base units with things on them, tiles and cupboards above, a refrigerator beside."""
    rng, look = layout.rng, kitchen.kitchen_style(layout.rng, supply.style)
    walls = sorted(layout.walls, key=lambda w: -w.length * rng.uniform(0.6, 1.0))
    done: list[tuple[Wall, float, float]] = []
    for wall in walls:
        if len(done) >= rows:
            break
        row = _row(layout, supply, look, wall, fittings=not done)
        if row:
            done.append(row)
    if done and supply.chance(0.85):
        piece = supply.of(storage.refrigerator, (Label.REFRIGERATOR,), share=0.3)
        wall, low, high = done[int(rng.integers(len(done)))]
        half = piece.size[0] / 2 + 0.01
        placed = None
        for at in (high + half, low - half):
            placed = placed or layout.at_wall(piece, wall, at)
        placed = placed or layout.against_wall(piece)
        zones.clutter(layout, supply, placed, small.ON_SHELF, 3)


def _row(
    layout: Layout, supply: Supply, look: kitchen.KitchenStyle, wall: Wall, fittings: bool
) -> tuple[Wall, float, float] | None:
    rng = layout.rng
    for low, high in wall.free_spans(0.0, look.height)[:2]:
        longest = min(high - low, 4.5)
        for width in np.arange(longest, 1.0, -0.3):
            for at in (low + width / 2, high - width / 2):
                piece = (
                    kitchen.base_row(rng, look, float(width), fittings)
                    if _fits(layout, look, wall, at, width)
                    else None
                )
                placed = layout.at_wall(piece, wall, float(at), off=0.0) if piece else None
                if placed:
                    _upper(layout, supply, look, wall, (at - width / 2, at + width / 2))
                    zones.clutter(layout, supply, placed, small.ON_WORKTOP, int(width * rng.uniform(3, 9)))
                    return wall, float(at - width / 2), float(at + width / 2)
    return None


def _fits(layout: Layout, look: kitchen.KitchenStyle, wall: Wall, at: float, width: float) -> bool:
    """A quick look before the row is built."""
    probe = kitchen.Piece((float(width), look.depth + 0.03, look.height), Label.CABINET)
    return layout.fits(probe, np.array([*wall.at(at, 0.0), 0.0]), wall.yaw)


def _upper(
    layout: Layout, supply: Supply, look: kitchen.KitchenStyle, wall: Wall, span: tuple[float, float]
) -> Placed | None:
    """What hangs above a row: tiles, notices, cupboards, a shelf or a hood, each where windows leave room."""
    rng, (low, high) = layout.rng, span
    base, bottom = look.height, look.height + float(rng.uniform(0.48, 0.6))
    spans = [(max(a, low), min(b, high)) for a, b in wall.free_spans(base, bottom) if min(b, high) - max(a, low) > 0.3]
    for a, b in spans:
        tiles = kitchen.splash_back(look, b - a, bottom - base)
        layout.put(tiles, np.array([*wall.at(0.5 * (a + b), 0.0), base]), wall.yaw, solid=False)
        for _ in range(supply.count(0, 6)):
            note = kitchen.notice(rng)
            layout.at_wall(note, wall, float(rng.uniform(a, b)), float(rng.uniform(base + 0.12, bottom - 0.3)), 0.008)
    if supply.chance(0.2):
        return None
    for a, b in wall.free_spans(bottom, bottom + 0.9):
        a, b = max(a, low), min(b, high)
        while b - a > 0.35:
            width = min(b - a, float(rng.choice([0.6, 0.9, 1.2, 1.8])))
            kind = rng.random()
            if kind < 0.65:
                piece = kitchen.wall_cupboard(rng, look, width - 0.005)
            elif kind < 0.8:
                piece = storage.wall_shelf(rng, supply.style, width - 0.05)
            elif kind < 0.9 and width >= 0.6:
                piece, width = kitchen.hood(rng, supply.style, max(0.3, layout.height - bottom - 0.02)), 0.62
            else:
                piece = None
            if piece is not None:
                placed = layout.at_wall(piece, wall, a + width / 2, bottom, off=0.0)
                zones.clutter(layout, supply, placed, small.ON_SHELF, 2)
            a += width
    return None
