"""Rooms: what walls enclose, parted at passages as narrow as doors."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mapping.scene.floor_grid import FloorGrid
from mapping.scene.settings import SceneSettings

_SHADOW_M = 0.3  # gaps this wide in what is known of the floor are taken for floor


@dataclass(frozen=True)
class Room:
    """One room on the floor grid."""

    id: int
    cells: np.ndarray  # bool [h,w] its floor, furniture included
    centroid: np.ndarray  # f64 [3] world, on the floor
    area_m2: float


def find_rooms(grid: FloorGrid, settings: SceneSettings) -> tuple[list[Room], np.ndarray]:
    """The rooms by falling area, and the room of each cell i32 [h,w] (-1 = none).

    What is further than half a door from every wall starts a room; the rest goes to the room that it borders on first,
    cells further from walls first (watershed on the distance to walls).
    """
    known = _filled(grid.free | grid.occupied, _SHADOW_M / grid.cell_m)
    inside = known & ~grid.wall
    # beyond what is known there may be a wall or a room: it does not bound one here
    clear = cv2.distanceTransform((~grid.wall).astype(np.uint8), cv2.DIST_L2, 5) * grid.cell_m
    seeds = inside & (clear > settings.door_m / 2)
    count, marker = cv2.connectedComponents(seeds.astype(np.uint8), connectivity=4)
    least = settings.min_room_m2 / grid.cell_m**2
    small = np.bincount(marker.ravel(), minlength=count) * 4 < least  # cores are smaller than their rooms
    marker[small[marker]] = 0
    if not marker.any() and inside.any():  # narrower than a door everywhere: one room
        marker[np.unravel_index(np.argmax(clear * inside), clear.shape)] = 1
    of_cell = _flooded(marker, inside, clear)
    sizes = np.bincount(of_cell[of_cell >= 0], minlength=count)
    kept = [int(i) for i in np.argsort(-sizes, kind="stable") if sizes[i] >= min(least, sizes.max(initial=0)) > 0]
    renumbered = np.full(count + 1, -1, np.int32)
    renumbered[kept] = np.arange(len(kept))
    of_cell = renumbered[of_cell]
    rooms = []
    for number in range(len(kept)):
        cells = of_cell == number
        where = np.argwhere(cells)
        area = len(where) * grid.cell_m**2
        rooms.append(Room(number, cells, grid.world(where).mean(0), float(area)))
    return rooms, of_cell


def _filled(known: np.ndarray, gap: float) -> np.ndarray:
    """Known cells with the shadows that furniture throws: gaps are closed and holes filled."""
    size = max(3, int(gap) | 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    closed = cv2.morphologyEx(np.pad(known, size).astype(np.uint8), cv2.MORPH_CLOSE, disc)
    closed = np.ascontiguousarray(closed[size:-size, size:-size])
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(closed, outlines, -1, 1, -1).astype(bool)


def _flooded(marker: np.ndarray, inside: np.ndarray, clear: np.ndarray) -> np.ndarray:
    """Room number of each cell, i32 [h,w], -1 outside: cells join a neighbour's room by falling clearance."""
    number = marker.astype(np.int32)
    for level in np.unique(np.floor(clear[inside] * 20))[::-1]:
        allowed = inside & (clear * 20 >= level)
        while True:
            grown = cv2.dilate(number.astype(np.float32), np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8))
            fresh = allowed & (number == 0) & (grown > 0)
            if not fresh.any():
                break
            number[fresh] = grown[fresh].astype(np.int32)
    return np.where(inside, number, 0) - 1
