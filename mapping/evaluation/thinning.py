"""Thinning of binary images to lines one pixel wide."""

from __future__ import annotations

import numpy as np

# Neighbours counter-clockwise from east, as (row, column) steps: bit k of a neighbourhood code.
_STEPS = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))


def thinned(mask: np.ndarray) -> np.ndarray:
    """Bool [H,W] with every stroke of bool [H,W] reduced to its centre line; connections and loops stay.

    Two passes in turn until nothing changes; a pixel's fate is looked up by the code of its 8 neighbours. Only pixels
    that are set are looked at, so sparse images are fast.
    Source: Lam, Lee and Suen 1992, p. 879, conditions G1 to G3'.
    """
    padded = np.pad(mask.astype(np.uint8), 1)
    flat, width = padded.reshape(-1), padded.shape[1]
    offsets = [row * width + column for row, column in _STEPS]
    points = np.flatnonzero(flat)
    before = -1
    while before != len(points):
        before = len(points)
        for table in _TABLES:
            code = np.zeros(len(points), np.uint8)
            for bit, offset in enumerate(offsets):
                code |= flat[points + offset] << np.uint8(bit)
            gone = table[code]
            flat[points[gone]] = 0
            points = points[~gone]
    return padded[1:-1, 1:-1].astype(bool)


def _removable(second_pass: bool) -> np.ndarray:
    """bool [256]: may a pixel with these neighbours go?"""
    code = np.arange(256)
    x = [None] + [(code >> k & 1).astype(bool) for k in range(8)]  # x[1] east ... x[8] south-east
    x.append(x[1])
    crossings = sum((~x[2 * i - 1] & (x[2 * i] | x[2 * i + 1])).astype(int) for i in range(1, 5))
    first_pairs = sum((x[2 * k - 1] | x[2 * k]).astype(int) for k in range(1, 5))
    second_pairs = sum((x[2 * k] | x[2 * k + 1]).astype(int) for k in range(1, 5))
    fewer = np.minimum(first_pairs, second_pairs)
    side = (x[6] | x[7] | ~x[4]) & x[5] if second_pass else (x[2] | x[3] | ~x[8]) & x[1]
    return (crossings == 1) & (fewer >= 2) & (fewer <= 3) & ~side


_TABLES = (_removable(False), _removable(True))
