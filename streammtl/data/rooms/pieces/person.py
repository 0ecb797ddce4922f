"""A person of capsules, standing or in mid-step, facing +y; the base is the soles."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.piece import Piece
from streammtl.data.rooms.shapes import ball, capsule, cushion
from streammtl.data.rooms.style import fabric
from streammtl.data.rooms.textures import colours
from streammtl.data.rooms.textures.bank import plain


def person(rng: np.random.Generator) -> Piece:
    """A grown-up of 1.5 to 1.95 m."""
    tall = float(rng.uniform(1.5, 1.95))
    piece = Piece((0.5, 0.4, tall), Label.PERSON)
    skin, hair = plain(colours.skin(rng)), plain(colours.brown(rng) if rng.random() < 0.6 else colours.dark(rng))
    shirt, trousers, shoe = fabric(rng), fabric(rng), plain(colours.dark(rng))
    hip, shoulder, middle = 0.52 * tall, 0.8 * tall, 0.2
    wide = 0.11 * tall
    step = float(rng.uniform(-0.25, 0.25)) * tall / 1.75
    for side in (-1, 1):
        ahead = middle + side * step
        knee = (side * 0.09, 0.5 * (ahead + middle) + 0.03, 0.28 * tall)
        ankle = (side * 0.09, ahead, 0.06)
        piece.add(capsule((side * 0.085, middle, hip), knee, 0.085, 0.06), trousers)
        piece.add(capsule(knee, ankle, 0.062, 0.045), trousers)
        piece.add(cushion(0.6, 8), shoe, at=(side * 0.09, ahead + 0.06, 0.04), scale=(0.045, 0.13, 0.04))
        elbow = (side * (wide + 0.09), middle - side * 0.5 * step, 0.63 * tall)
        hand = (side * (wide + 0.08), middle - side * step + rng.uniform(0.0, 0.25), 0.5 * tall + rng.uniform(0, 0.2))
        piece.add(capsule((side * wide, middle, shoulder), elbow, 0.055, 0.045), shirt)
        piece.add(capsule(elbow, hand, 0.042, 0.035), shirt if rng.random() < 0.6 else skin)
        piece.add(ball(7), skin, at=hand, scale=0.05)
    piece.add(cushion(0.7, 12), shirt, at=(0, middle, 0.66 * tall), scale=(wide + 0.05, 0.12, 0.17 * tall))
    piece.add(cushion(0.7, 10), trousers, at=(0, middle, hip), scale=(wide, 0.12, 0.07 * tall))
    piece.add(capsule((0, middle, shoulder), (0, middle, 0.87 * tall), 0.05), skin)
    head = (0.0, middle + 0.02, 0.925 * tall)
    piece.add(ball(10), skin, at=head, scale=(0.075, 0.095, 0.075 * tall))
    piece.add(ball(10), hair, at=(0.0, middle, 0.935 * tall), scale=(0.082, 0.095, 0.066 * tall))
    return piece
