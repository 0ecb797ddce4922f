"""Places: points of the free floor that stand for what lies around them, and the ways between them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mapping.scene.floor_grid import FloorGrid
from mapping.scene.settings import SceneSettings


@dataclass(frozen=True)
class Place:
    """A free point on the floor."""

    id: int
    position: np.ndarray  # f64 [3] world
    cell: tuple[int, int]  # row, column of the floor grid
    clearance_m: float  # to the nearest cell that is not free


def find_places(grid: FloorGrid, settings: SceneSettings) -> tuple[list[Place], list[tuple[int, int]]]:
    """Places about `place_m` apart, those with most room around them first, and the pairs that a free way connects.

    Each free cell belongs to the nearest place that it sees along free cells (geodesic distance); places whose cells
    touch are connected.
    """
    clear = cv2.distanceTransform(grid.free.astype(np.uint8), cv2.DIST_L2, 5)
    chosen: list[tuple[int, int]] = []
    open_ = clear.copy()
    spacing = settings.place_m / grid.cell_m
    rows, columns = np.indices(clear.shape)
    while (top := int(open_.argmax())) >= 0 and open_.flat[
        top
    ] > 1:  # a cell between two others that are not free is no place
        row, column = divmod(top, clear.shape[1])
        chosen.append((row, column))
        open_[(rows - row) ** 2 + (columns - column) ** 2 < spacing**2] = 0
    owner = _nearest(grid.free, chosen)
    points = grid.world(np.array(chosen, np.int64).reshape(-1, 2))
    places = [Place(i, points[i], cell, float(clear[cell] * grid.cell_m)) for i, cell in enumerate(chosen)]
    pairs = [np.zeros((0, 2), np.int32)]
    for a, b in ((owner[:, :-1], owner[:, 1:]), (owner[:-1], owner[1:])):
        touch = (a != b) & (a >= 0) & (b >= 0)
        pairs.append(np.sort(np.stack([a[touch], b[touch]], -1), axis=1))
    return places, [(int(a), int(b)) for a, b in np.unique(np.concatenate(pairs), axis=0)]


def _nearest(free: np.ndarray, chosen: list[tuple[int, int]]) -> np.ndarray:
    """The place i32 [h,w] that each free cell is nearest to, walking from free cell to free cell; -1 = none."""
    owner = np.full(free.shape, -1, np.int32)
    for i, cell in enumerate(chosen):
        owner[cell] = i
    square, cross = np.ones((3, 3), np.uint8), np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
    still = 0
    for turn in range(free.size):
        grown = cv2.dilate((owner + 1).astype(np.float32), cross if turn % 2 else square)  # by turns: nearly round
        fresh = free & (owner < 0) & (grown > 0)
        still = 0 if fresh.any() else still + 1
        if still == 2:
            break
        owner[fresh] = grown[fresh].astype(np.int32) - 1
    return owner
