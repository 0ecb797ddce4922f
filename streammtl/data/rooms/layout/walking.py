"""Where people can walk: floor that nothing stands on, and people who move there."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.layout.placing import Layout
from streammtl.data.rooms.layout.plan import inside
from streammtl.data.rooms.piece import rotation_z
from streammtl.data.rooms.pieces.person import person
from streammtl.data.rooms.scene import MovingPart

CELL_M = 0.1
BODY_M = 0.22
REACH_M = 0.42  # arms and steps of somebody who moves
WALK_S = 4.0  # people get to the end of their free way in about this time
KNEE_M = 0.1  # lower things are stepped over
HEAD_M = 1.7  # higher things are walked under


def walkable(layout: Layout, body: float = BODY_M) -> tuple[np.ndarray, np.ndarray]:
    """The largest connected floor where a person fits: mask [ny,nx] over cells of CELL_M, centres [ny,nx,2].

    `body` is half the width a person needs.
    """
    low, high = layout.floor.min(axis=0), layout.floor.max(axis=0)
    xs, ys = (np.arange(a + CELL_M / 2, b, CELL_M) for a, b in zip(low, high, strict=True))
    centres = np.stack(np.meshgrid(xs, ys), axis=-1)
    points = centres.reshape(-1, 2)
    free = inside(layout.floor, points)
    for shift in np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]) * body:
        free &= inside(layout.floor, points + shift)
    for block in layout.taken.blocks:
        if block.solid and block.high > KNEE_M and block.low < HEAD_M:
            away = points - np.array(block.centre)
            c, s = np.cos(block.yaw), np.sin(block.yaw)
            x, y = np.abs(away @ np.array([c, s])), np.abs(away @ np.array([-s, c]))
            free &= (x > block.half[0] + body) | (y > block.half[1] + body)
    return _largest(free.reshape(centres.shape[:2])), centres


def _largest(free: np.ndarray) -> np.ndarray:
    """The largest connected part of a mask: ids spread to neighbours until they stop."""
    ids = np.where(free, np.arange(1, free.size + 1).reshape(free.shape), 0)
    while True:
        spread = ids.copy()
        spread[1:] = np.maximum(spread[1:], ids[:-1])
        spread[:-1] = np.maximum(spread[:-1], ids[1:])
        spread[:, 1:] = np.maximum(spread[:, 1:], ids[:, :-1])
        spread[:, :-1] = np.maximum(spread[:, :-1], ids[:, 1:])
        spread[~free] = 0
        if (spread == ids).all():
            break
        ids = spread
    if not free.any():
        return free
    values, counts = np.unique(ids[free], return_counts=True)
    return ids == values[counts.argmax()]


def walkers(layout: Layout, count: int) -> list[MovingPart]:
    """People who walk along a free line or turn on the spot; none where there is no room for their arms."""
    rng = layout.rng
    mask, centres = walkable(layout, REACH_M)
    spots = centres[mask]
    parts = []
    for _ in range(count):
        if not len(spots):
            break
        piece = person(rng)
        if piece.size[2] > layout.height - 0.1:
            continue
        spot, yaw, way = _line(rng, mask, centres, spots)
        turn = rotation_z(yaw)
        at = np.array([*spot, 0.0]) - turn @ np.array([0.0, piece.size[1] / 2, 0.0])
        speed = min(way / WALK_S, float(rng.uniform(0.2, 0.9))) if rng.random() < 0.75 else 0.0
        velocity = (turn @ np.array([0.0, speed, 0.0])).astype(np.float32)
        spin = float(rng.normal(0, 0.5)) if speed == 0.0 else 0.0
        mesh = layout.assembly.apart(piece, turn, at)
        spots = spots[np.linalg.norm(spots - spot, axis=1) > 2 * REACH_M]
        parts.append(MovingPart(mesh, np.array([*spot, 0.0], np.float32), velocity, spin))
    return parts


def _line(
    rng: np.random.Generator, mask: np.ndarray, centres: np.ndarray, spots: np.ndarray
) -> tuple[np.ndarray, float, float]:
    """The longest free line of a few: where it starts, its direction (yaw of a piece that faces along it), metres."""
    best = (spots[0], 0.0, 0.0)
    for _ in range(8):
        spot, yaw = spots[int(rng.integers(len(spots)))], float(rng.uniform(0, 2 * np.pi))
        ahead = np.arange(0.0, 4.0, CELL_M / 2)[:, None] * np.array([-np.sin(yaw), np.cos(yaw)]) + spot
        column, row = np.round((ahead - centres[0, 0]) / CELL_M).astype(int).T
        within = (column >= 0) & (row >= 0) & (column < mask.shape[1]) & (row < mask.shape[0])
        free = within & mask[np.where(within, row, 0), np.where(within, column, 0)]
        way = (len(free) if free.all() else int(free.argmin())) * CELL_M / 2
        if way > best[2]:
            best = (spot, yaw, way)
    return best
