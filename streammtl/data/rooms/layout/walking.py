"""Where people can walk: floor that nothing stands on, and people who move there."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.layout.placing import Layout
from streammtl.data.rooms.layout.plan import inside
from streammtl.data.rooms.piece import rotation_z
from streammtl.data.rooms.pieces.person import person
from streammtl.data.rooms.scene import MovingPart

CELL_M = 0.1
BODY_M = 0.22  # half the width a person needs
KNEE_M = 0.1  # lower things are stepped over
HEAD_M = 1.7  # higher things are walked under


def walkable(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """The largest connected floor where a person fits: mask [ny,nx] over cells of CELL_M, centres [ny,nx,2]."""
    low, high = layout.floor.min(axis=0), layout.floor.max(axis=0)
    xs, ys = (np.arange(a + CELL_M / 2, b, CELL_M) for a, b in zip(low, high, strict=True))
    centres = np.stack(np.meshgrid(xs, ys), axis=-1)
    points = centres.reshape(-1, 2)
    free = inside(layout.floor, points)
    for shift in np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]) * BODY_M:
        free &= inside(layout.floor, points + shift)
    for block in layout.taken.blocks:
        if block.solid and block.high > KNEE_M and block.low < HEAD_M:
            away = points - np.array(block.centre)
            c, s = np.cos(block.yaw), np.sin(block.yaw)
            x, y = np.abs(away @ np.array([c, s])), np.abs(away @ np.array([-s, c]))
            free &= (x > block.half[0] + BODY_M) | (y > block.half[1] + BODY_M)
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
    """People who walk about or turn on the spot, each where there is room around them."""
    rng = layout.rng
    mask, centres = walkable(layout)
    spots = centres[mask]
    parts = []
    for _ in range(count if len(spots) else 0):
        piece = person(rng)
        if piece.size[2] > layout.height - 0.1:
            continue
        spot, yaw = spots[int(rng.integers(len(spots)))], float(rng.uniform(0, 2 * np.pi))
        turn = rotation_z(yaw)
        at = np.array([*spot, 0.0]) - turn @ np.array([0.0, piece.size[1] / 2, 0.0])
        speed = float(rng.uniform(0.2, 0.9)) if rng.random() < 0.7 else 0.0
        mesh = layout.assembly.apart(piece, turn, at)
        velocity = (turn @ np.array([0.0, speed, 0.0])).astype(np.float32)
        spin = float(rng.normal(0, 0.5)) if speed == 0.0 else 0.0
        parts.append(MovingPart(mesh, np.array([*spot, 0.0], np.float32), velocity, spin))
    return parts
