"""Living rooms, bedrooms, bathrooms."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.layout.placing import Layout, Placed
from streammtl.data.rooms.piece import Piece
from streammtl.data.rooms.pieces import bathroom, chairs, devices, hangings, small, soft, storage, tables
from streammtl.data.rooms.programmes import zones
from streammtl.data.rooms.style import Style
from streammtl.data.rooms.supply import Supply


def furnish_living(layout: Layout, supply: Supply) -> None:
    """Sofas around a low table on a rug, a television, shelves, armchairs, often a dining table."""
    rng, style = layout.rng, supply.style
    piece = supply.of(soft.sofa, (Label.SOFA,))
    sofa = layout.against_wall(piece) if supply.chance(0.75) else zones.in_the_middle(layout, piece)
    if sofa:
        _coffee_table(layout, supply, sofa)
        zones.clutter(layout, supply, sofa, small.ON_FLOOR, 2)
    for _ in range(supply.count(0, 2)):
        piece = supply.of(lambda r, s: soft.sofa(r, s, 1), (Label.SOFA, Label.CHAIR), largest=(1.2, 1.1, 1.2))
        layout.against_wall(piece) or layout.stand_anywhere(piece, 0.3)
    _television(layout, supply)
    zones.shelves_at_walls(layout, supply, supply.count(1, 3), "books")
    zones.cabinets_at_walls(layout, supply, supply.count(0, 2))
    if supply.chance(0.6):
        zones.dining(layout, supply, supply.count(4, 12))
    if supply.chance(0.3):
        zones.desks_at_walls(layout, supply, 1)
    for _ in range(supply.count(1, 3)):
        layout.hang(hangings.picture(rng, style), 1.0, 1.4)
    if supply.chance(0.2):
        layout.hang(hangings.mirror(rng, style), 0.9, 1.2)


def _coffee_table(layout: Layout, supply: Supply, sofa: Placed) -> None:
    rng = layout.rng

    def make(_rng: np.random.Generator, style: Style) -> Piece:
        size = (float(rng.uniform(0.7, 1.3)), float(rng.uniform(0.45, 0.7)), float(rng.uniform(0.35, 0.48)))
        return tables.table(rng, supply.style, size)

    table = supply.of(make, (Label.TABLE,), largest=(1.5, 1.0, 0.55), share=0.5)
    at = sofa.world((rng.normal(0, 0.15), sofa.piece.size[1] + rng.uniform(0.25, 0.5), 0.0))
    placed = layout.stand(table, at[:2], sofa.yaw + rng.normal(0, 0.05))
    if placed:
        zones.clutter(layout, supply, placed, small.ON_TABLE, supply.count(3, 10))
        if supply.chance(0.6):
            zones.carpet(layout, float(rng.uniform(1.6, 2.8)), float(rng.uniform(1.2, 2.0)), placed)


def _television(layout: Layout, supply: Supply) -> None:
    rng, style = layout.rng, supply.style
    screen = devices.television(rng, float(rng.uniform(0.7, 1.4)))
    if supply.chance(0.4):
        layout.hang(screen, 0.9, 1.3)
        return
    size = (float(rng.uniform(1.2, 2.0)), float(rng.uniform(0.35, 0.5)), float(rng.uniform(0.35, 0.6)))
    stand = layout.against_wall(storage.cabinet(rng, style, size, Label.OTHER_FURNITURE))
    if stand:
        layout.on_top(stand, screen, rng.normal(0, 0.1), size[1] / 2)
        zones.clutter(layout, supply, stand, small.ON_SHELF, 6)


def furnish_bedroom(layout: Layout, supply: Supply) -> None:
    """A bed between night stands, a wardrobe, a dresser with a mirror, a desk, clothes about."""
    rng, style = layout.rng, supply.style
    for _ in range(2 if supply.chance(0.2) else 1):
        bed = layout.against_wall(supply.of(soft.bed, (Label.BED,)))
        if bed:
            _night_stands(layout, supply, bed)
            zones.clutter(layout, supply, bed, {small.cloth_heap: 2, small.book: 1, small.bag: 1}, supply.count(0, 3))
            if supply.chance(0.4):
                zones.carpet(
                    layout, bed.piece.size[0] + float(rng.uniform(0.6, 1.2)), float(rng.uniform(1.4, 2.2)), bed
                )
    for _ in range(supply.count(1, 2)):
        placed = layout.against_wall(
            supply.of(storage.wardrobe, (Label.OTHER_FURNITURE,), names=("wardrobe", "closet"))
        )
        zones.clutter(layout, supply, placed, {storage.crate: 1, small.bag: 1}, 3)
    if supply.chance(0.6):
        size = (float(rng.uniform(0.7, 1.4)), float(rng.uniform(0.4, 0.5)), float(rng.uniform(0.7, 1.0)))
        dresser = layout.against_wall(
            supply.of(
                lambda r, s: storage.cabinet(r, s, size, Label.DRESSER, kind="drawers"), (Label.DRESSER,), share=0.3
            )
        )
        if dresser:
            zones.clutter(layout, supply, dresser, small.ON_SHELF, supply.count(3, 9))
            zones.above(layout, hangings.mirror(rng, style), dresser, 1.05, 1.2)
    if supply.chance(0.6):
        zones.desks_at_walls(layout, supply, 1)
    zones.shelves_at_walls(layout, supply, supply.count(0, 2), str(rng.choice(["books", "things"])))
    piece = supply.of(chairs.chair, (Label.CHAIR,))
    layout.stand_anywhere(piece, 0.1)
    for _ in range(supply.count(0, 4)):
        layout.stand_anywhere(small.cloth_heap(rng) if supply.chance(0.6) else small.bag(rng))


def _night_stands(layout: Layout, supply: Supply, bed: Placed) -> None:
    rng = layout.rng
    size = (float(rng.uniform(0.35, 0.55)), float(rng.uniform(0.3, 0.45)), float(rng.uniform(0.4, 0.65)))

    def make(_rng: np.random.Generator, style: Style) -> Piece:
        return storage.cabinet(rng, supply.style, size, Label.NIGHT_STAND, kind="drawers")

    piece = supply.of(make, (Label.NIGHT_STAND,), share=0.3)
    wall, at = zones.wall_behind(layout, bed)
    for side in (-1, 1):
        spot = at + side * (bed.piece.size[0] / 2 + piece.size[0] / 2 + rng.uniform(0.03, 0.15))
        placed = layout.at_wall(piece, wall, spot)
        if placed:
            if supply.chance(0.7):
                layout.scatter(placed, lambda r: devices.shaded_lamp(r, float(r.uniform(0.3, 0.5)), 0.12), 1)
            zones.clutter(layout, supply, placed, small.ON_SHELF, 3)


def furnish_bathroom(layout: Layout, supply: Supply) -> None:
    """Toilet, wash basin with mirror, tub or shower, towels, bottles, a washing machine."""
    rng, style = layout.rng, supply.style
    tub = layout.against_wall(supply.of(bathroom.tub, (Label.BATHTUB,), share=0.3), off=0.0)
    if tub:
        zones.clutter(layout, supply, tub, bathroom.ON_BASIN, 5)
        if supply.chance(0.6):
            cloth = soft.curtain(rng, tub.piece.size[0] * float(rng.uniform(0.3, 0.9)), 1.85, Label.SHOWER_CURTAIN)
            layout.put(cloth, tub.world((0.0, tub.piece.size[1] - 0.1, 0.15)), tub.yaw, solid=False)
    layout.against_wall(supply.of(bathroom.toilet, (Label.TOILET,), share=0.5), off=0.0)
    for _ in range(2 if supply.chance(0.25) else 1):
        basin = layout.against_wall(bathroom.wash_stand(rng, style), off=0.0)
        if basin:
            zones.clutter(layout, supply, basin, bathroom.ON_BASIN, supply.count(3, 9))
            zones.above(layout, hangings.mirror(rng, style), basin, 1.1, 1.25)
    if supply.chance(0.5):
        piece = supply.of(
            bathroom.washing_machine, (Label.OTHER_FURNITURE,), largest=(0.8, 0.8, 1.2), names=("wash", "dryer")
        )
        zones.clutter(layout, supply, layout.against_wall(piece), bathroom.ON_BASIN, 5)
    for _ in range(supply.count(1, 3)):
        layout.hang(soft.towel(rng), 0.8, 1.2)
    if supply.chance(0.7):
        zones.carpet(layout, float(rng.uniform(0.5, 0.9)), float(rng.uniform(0.4, 0.6)))
    zones.cabinets_at_walls(layout, supply, supply.count(0, 1))
    if supply.chance(0.5):
        layout.hang(storage.wall_shelf(rng, style, float(rng.uniform(0.4, 0.8))), 1.2, 1.6)
