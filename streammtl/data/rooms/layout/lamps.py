"""Ceiling lamps with their light."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.layout.placing import Layout
from streammtl.data.rooms.layout.plan import inside
from streammtl.data.rooms.piece import Piece
from streammtl.data.rooms.pieces import hangings
from streammtl.data.rooms.scene import Light

DARK_SHARE = 0.12  # rooms whose ceiling lamps are off, given that windows light them


def add_ceiling_lamps(layout: Layout, kind: str, daylight: bool) -> list[Light]:
    """Panels, pendants or spots spread over the ceiling; lit more often than not."""
    rng = layout.rng
    low, high = layout.floor.min(axis=0), layout.floor.max(axis=0)
    across, along = (max(1, round(float(s) / rng.uniform(2.0, 3.2))) for s in high - low)
    lit = not (daylight and rng.random() < 0.45)
    office = kind in ("office", "classroom", "corridor", "breakroom")
    style = str(rng.choice(["panel", "pendant", "spots"], p=(0.65, 0.15, 0.2) if office else (0.25, 0.5, 0.25)))
    if style == "pendant" and rng.random() < 0.6:
        across = along = 1
    size, drop = rng.uniform((0.2, 0.5), (0.6, 1.2)), float(rng.uniform(0.2, 0.8))
    warm = np.array([1.0, rng.uniform(0.82, 1.0), rng.uniform(0.62, 1.0)])
    spots = [((i + 0.5) / across, (j + 0.5) / along) for i in range(across) for j in range(along)]
    power = float(rng.uniform(1.2, 3.0)) * (high - low).prod() ** 0.5 / len(spots) / 1.6
    lights = []
    for share in spots:
        centre = low + (high - low) * np.array(share)
        if not inside(layout.floor, centre[None])[0]:
            continue
        made = _make(layout, style, size, drop)
        at = np.array([centre[0], centre[1] - made.size[1] / 2, layout.height - made.size[2]])
        layout.put(made, at, 0.0, solid=style == "pendant")
        if lit:
            half = 0.45 * np.array(made.size[:2]) if style == "panel" else np.full(2, 0.1)
            edges = np.array([[half[0], 0, 0], [0, -half[1], 0]], np.float32)
            below = np.array([centre[0], centre[1], at[2] - 0.02], np.float32)
            lights.append(Light(below, edges, (power * warm).astype(np.float32), directed=style != "pendant"))
    return lights


def _make(layout: Layout, style: str, size: np.ndarray, drop: float) -> Piece:
    rng = layout.rng
    if style == "panel":
        return hangings.panel_light(rng, float(size[0]), float(size[1]))
    if style == "pendant":
        return hangings.pendant(rng, min(drop, layout.height - 1.9))
    return hangings.spot_rail(rng, float(rng.uniform(0.6, 1.5)))
