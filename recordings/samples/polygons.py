"""Splitting of long edges of triangle soups."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def split_long_edges(soup: dict[str, Array], limit_m: float) -> dict[str, Array]:
    """Bisects every edge longer than `limit_m` until none is left; the surface stays the same.

    `soup` holds `positions`, `normals` [m,3,3], `uvs` [m,3,2] and further arrays with one entry per triangle.
    An edge is cut at its midpoint whichever triangle cuts it, so neighbours keep fitting together.
    """
    finished: list[dict[str, Array]] = []
    work = soup
    while len(work["positions"]):
        position = work["positions"]
        lengths = np.linalg.norm(np.roll(position, -1, axis=1) - position, axis=2)
        longest = lengths.argmax(axis=1)
        cut = lengths.max(axis=1) > limit_m
        finished.append({name: values[~cut] for name, values in work.items()})
        halves: dict[str, Array] = {}
        turn = (longest[cut][:, None] + np.arange(3)) % 3
        for name, values in work.items():
            chosen = values[cut]
            if name not in ("positions", "normals", "uvs"):
                halves[name] = np.concatenate([chosen, chosen])
                continue
            a, b, c = np.moveaxis(np.take_along_axis(chosen, turn[:, :, None], axis=1), 1, 0)
            middle = 0.5 * (a + b)
            if name == "normals":
                middle /= np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1e-12)
            halves[name] = np.concatenate([np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)])
        work = halves
    return {name: np.concatenate([part[name] for part in finished]) for name in soup}
