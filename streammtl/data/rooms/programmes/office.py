"""Offices and class rooms."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.layout.placing import Layout
from streammtl.data.rooms.piece import Piece, rotation_z
from streammtl.data.rooms.pieces import chairs, devices, hangings, small, soft, storage, tables
from streammtl.data.rooms.programmes import zones
from streammtl.data.rooms.style import fabric
from streammtl.data.rooms.supply import Supply


def furnish(layout: Layout, supply: Supply) -> None:
    """Desks along the walls and in islands, shelves full of folders, boards, cabinets, printers."""
    rng = layout.rng
    area = float(np.prod(np.ptp(layout.floor, axis=0)))
    for _ in range(supply.count(0, max(1, int(area / 14)))):
        _island(layout, supply)
    zones.desks_at_walls(layout, supply, supply.count(1, 1 + int(area / 9)))
    zones.shelves_at_walls(layout, supply, supply.count(1, 3), str(rng.choice(["books", "folders", "folders"])))
    for placed in zones.cabinets_at_walls(layout, supply, supply.count(1, 3)):
        if supply.chance(0.3) and placed.piece.tops:
            layout.scatter(placed, devices.printer, 1)
    for _ in range(supply.count(0, 2)):
        layout.hang(hangings.board(rng, supply.style), 0.8, 1.0)
    if supply.chance(0.3):
        zones.dining(layout, supply, supply.count(3, 10))
    if supply.chance(0.2):
        layout.against_wall(supply.of(soft.sofa, (Label.SOFA,)))
    if supply.chance(0.4):
        layout.hang(hangings.hooks(rng, supply.style), 0.6, 0.8)


def _island(layout: Layout, supply: Supply) -> None:
    """Two desks face to face, perhaps four, free in the room."""
    rng = layout.rng
    width = float(rng.uniform(1.2, 1.7))
    pair = tables.desk(rng, supply.style, width)
    probe = tables.table(rng, supply.style, (width, 2 * pair.size[1] + 0.05, 0.75))
    low, high = layout.floor.min(axis=0), layout.floor.max(axis=0)
    for trial in range(15):
        yaw = float(rng.choice([0.0, 0.5]) * np.pi)
        middle = low + (high - low) * rng.uniform(0.25, 0.75, 2)
        start = np.array([*middle, 0.0]) - rotation_z(yaw) @ np.array([0.0, probe.size[1] / 2, 0.0])
        if not layout.fits(probe, start, yaw, 0.9 - 0.04 * trial):
            continue
        if supply.chance(0.35):
            _screen(layout, supply, width, middle, yaw)
        for turn in (0.0, np.pi):
            placed = layout.stand(pair, middle + 0.02 * np.array([-np.sin(yaw + turn), np.cos(yaw + turn)]), yaw + turn)
            if placed:
                zones.workplace(layout, supply, placed, supply.count(4, 14))
        return


def _screen(layout: Layout, supply: Supply, width: float, middle: np.ndarray, yaw: float) -> None:
    """A partition covered with cloth between two desks."""
    high = float(layout.rng.uniform(1.05, 1.45))
    piece = Piece((width, 0.03, high), Label.OTHER_STRUCTURE)
    piece.box((-width / 2, 0.0, 0.05), (width / 2, 0.03, high), fabric(layout.rng))
    for side in (-1, 1):
        piece.bar(
            (side * (width / 2 - 0.02), 0.015, 0.0), (side * (width / 2 - 0.02), 0.015, high), 0.034, supply.style.metal
        )
    layout.put(piece, np.array([*middle, 0.0]) - rotation_z(yaw) @ np.array([0.0, 0.015, 0.0]), yaw)


def furnish_classroom(layout: Layout, supply: Supply) -> None:
    """Rows of tables with chairs towards a board, a teacher's desk, posters and shelves."""
    rng = layout.rng
    front = max(layout.walls, key=lambda w: w.length * rng.uniform(0.5, 1.0))
    board = hangings.board(rng, supply.style, min(float(rng.uniform(1.6, 3.2)), front.length - 0.6))
    layout.at_wall(board, front, front.length / 2, float(rng.uniform(0.8, 1.0)), off=0.0)
    teacher = tables.desk(rng, supply.style)
    spot = front.at(front.length * rng.uniform(0.3, 0.7), 1.6)
    placed = layout.stand(teacher, spot, front.yaw + np.pi)
    if placed:
        zones.workplace(layout, supply, placed, 6)
    width = float(rng.choice([0.7, 1.3, 1.3]))
    table = tables.table(rng, supply.style, (width, float(rng.uniform(0.5, 0.65)), 0.73))
    chair = zones.one_chair(supply)
    across, along = width + float(rng.uniform(0.4, 0.8)), float(rng.uniform(1.35, 1.8))
    for row in np.arange(2.8, 9.0, along):
        for at in np.arange(0.4 + width / 2, front.length - 0.4 - width / 2, across):
            turn = front.yaw + rng.normal(0, 0.04)
            desk = layout.stand(table, front.at(at, row) + rng.normal(0, 0.04, 2), turn)
            if desk is None:
                continue
            for x in [0.0] if width < 1 else [-width / 4, width / 4]:
                if supply.chance(0.9):
                    spot = desk.world((x, table.size[1] + chair.size[1] + rng.uniform(-0.2, 0.1), 0.0))
                    layout.stand(chair, spot[:2], turn + np.pi + rng.normal(0, 0.1), beside=desk)
            zones.clutter(layout, supply, desk, small.ON_DESK, supply.count(0, 4))
    zones.shelves_at_walls(layout, supply, supply.count(0, 3))
    zones.cabinets_at_walls(layout, supply, supply.count(0, 2))


def furnish_corridor(layout: Layout, supply: Supply) -> None:
    """Narrow things along the walls: low cabinets, hooks with coats, benches, boxes, plants, boards."""
    rng, style = layout.rng, supply.style
    for _ in range(supply.count(2, 6)):
        kind = rng.random()
        if kind < 0.4:
            size = (float(rng.uniform(0.6, 1.4)), float(rng.uniform(0.22, 0.4)), float(rng.uniform(0.5, 1.3)))
            zones.clutter(layout, supply, layout.against_wall(storage.cabinet(rng, style, size)), small.ON_SHELF, 6)
        elif kind < 0.6:
            layout.hang(hangings.hooks(rng, style), 0.6, 0.8)
        elif kind < 0.8:
            size = (float(rng.uniform(0.5, 1.2)), 0.26, float(rng.uniform(0.8, 2.0)))
            layout.against_wall(storage.shelf(rng, style, size))
        else:
            layout.against_wall(supply.of(chairs.chair, (Label.CHAIR,), largest=(1.5, 0.6, 1.1)))
    for _ in range(supply.count(1, 4)):
        layout.hang(hangings.board(rng, style, 1.2) if supply.chance(0.25) else hangings.picture(rng, style), 0.9, 1.4)
    if supply.chance(0.4):
        zones.carpet(layout, float(rng.uniform(0.6, 1.0)), float(rng.uniform(1.5, 3.0)))
