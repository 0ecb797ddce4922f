"""Plants in pots."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.piece import Piece
from streammtl.data.rooms.shapes import Shape, rod
from streammtl.data.rooms.style import stuff
from streammtl.data.rooms.textures import colours
from streammtl.data.rooms.textures.bank import covering, plain


def plant(rng: np.random.Generator, height: float) -> Piece:
    """Stems with leaves in a pot: bushy, palm-like or grassy."""
    spread = float(height * rng.uniform(0.2, 0.4))
    piece = Piece((2 * spread, 2 * spread, height), Label.OTHER_PROP)
    pot = min(0.35 * height, 0.4)
    radius = min(0.6 * pot, 0.8 * spread)
    piece.add(rod(0.75 * radius, pot, radius, 20), stuff(rng), at=(0, spread, 0))
    piece.add(rod(0.93 * radius, 0.01), plain(colours.dark(rng)), at=(0, spread, pot))
    leaf = covering(rng, "leaves", colours.green(rng))
    stems, per_stem = int(rng.integers(4, 12)), int(rng.integers(6, 16))
    long, wide = height * rng.uniform(0.12, 0.4), rng.uniform(0.12, 0.4)
    roots, tips, sizes = [], [], []
    for _ in range(stems):
        out = rng.normal(0, 0.45 * spread, 2)
        top = np.array([out[0], spread + out[1], rng.uniform(0.6, 0.92) * height])
        foot = np.array([0.2 * out[0], spread + 0.2 * out[1], pot])
        piece.pole(
            tuple(foot),
            tuple(top),
            0.006 + 0.006 * height,
            plain(colours.brown(rng) if height > 1 else colours.green(rng)),
        )
        along = rng.uniform(0.35, 1.0, (per_stem, 1))
        root = foot + along * (top - foot)
        direction = rng.normal(0, 1, (per_stem, 3)) + np.array([out[0] * 2 / spread, out[1] * 2 / spread, 0.4])
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        roots.append(root)
        tips.append(root + direction * long * rng.uniform(0.5, 1.0, (per_stem, 1)))
        sizes.append(np.full(per_stem, wide))
    piece.add(_leaves(np.concatenate(roots), np.concatenate(tips), np.concatenate(sizes), rng), leaf)
    piece.focus.append((0.0, spread, 0.6 * height))
    return piece


def _leaves(roots: np.ndarray, tips: np.ndarray, width: np.ndarray, rng: np.random.Generator) -> Shape:
    """Bent diamonds of four triangles from roots to tips, [n,3] each; `width` is a share of the length."""
    along = tips - roots
    length = np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, rng.normal(0, 1, along.shape))
    side *= 0.5 * width[:, None] * length / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    middle = roots + 0.45 * along + (0, 0, 0.06) * length
    droop = tips - (0, 0, 0.25) * length
    left, right = middle + side, middle - side
    corners = np.stack([roots, left, middle, roots, middle, right, left, droop, middle, middle, droop, right], axis=1)
    corners = corners.reshape(-1, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    v = np.array([0, 0.45, 0.45, 0, 0.45, 0.45, 0.45, 1, 0.45, 0.45, 1, 0.45])
    u = np.array([0, 0.5, 0, 0, 0, -0.5, 0.5, 0, 0, 0, 0, -0.5])
    uv = np.stack(np.broadcast_arrays(u * width[:, None] * length, v * length), axis=-1).reshape(-1, 3, 2)
    return Shape(corners, np.repeat(normals[:, None], 3, axis=1), uv)
