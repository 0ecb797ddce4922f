"""Polygons and triangle soups: ear clipping, crease-aware normals, splitting of long edges."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def _flatten(corners: Array) -> Array:
    """Projects a nearly planar polygon [n,3] on its own plane; the result [n,2] turns counter-clockwise."""
    following = np.roll(corners, -1, axis=0)
    normal = np.cross(corners - corners[0], following - corners[0]).sum(axis=0)
    length = np.linalg.norm(normal)
    if length == 0.0:
        return corners[:, :2]
    normal /= length
    first = np.eye(3)[np.argmin(np.abs(normal))]
    first = np.cross(normal, first)
    first /= np.linalg.norm(first)
    return np.stack([corners @ first, corners @ np.cross(normal, first)], axis=1)


def _turn(a: Array, b: Array, c: Array) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _is_ear(flat: Array, remaining: list[int], place: int, slack: float) -> bool:
    before, here, after = remaining[place - 1], remaining[place], remaining[(place + 1) % len(remaining)]
    a, b, c = flat[before], flat[here], flat[after]
    if _turn(a, b, c) <= slack:
        return False
    for other in remaining:
        point = flat[other]
        # A polygon with a bridge to its hole visits a corner twice; the twin of a corner does not block the ear.
        if other in (before, here, after) or any(np.abs(point - corner).max() <= slack for corner in (a, b, c)):
            continue
        if min(_turn(a, b, point), _turn(b, c, point), _turn(c, a, point)) >= -slack:
            return False
    return True


def triangulate(corners: Array) -> list[tuple[int, int, int]]:
    """Splits one polygon, concave ones included, into triangles by ear clipping.

    Shapes: corners [n,3] in order, any unit; returns n-2 index triples that keep the winding.
    A convex polygon gets a fan, which is the same surface.
    """
    count = len(corners)
    fan = [(0, i, i + 1) for i in range(1, count - 1)]
    if count == 3:
        return fan
    flat = _flatten(corners)
    extent = np.ptp(flat, axis=0).max()
    if extent == 0.0:
        return fan
    flat = (flat - flat.min(axis=0)) / extent
    slack = 1e-9
    if all(_turn(flat[i - 1], flat[i], flat[(i + 1) % count]) > -slack for i in range(count)):
        return fan
    remaining, triangles = list(range(count)), []
    while len(remaining) > 3:
        place = next((i for i in range(len(remaining)) if _is_ear(flat, remaining, i, slack)), 1)
        triangles.append((remaining[place - 1], remaining[place], remaining[(place + 1) % len(remaining)]))
        remaining.pop(place)
    triangles.append((remaining[0], remaining[1], remaining[2]))
    return triangles


def corner_normals(positions: Array, crease_deg: float = 42.0) -> Array:
    """Unit normals per triangle corner, smooth over edges flatter than the crease angle.

    Shapes: positions [m,3,3] metres; returns [m,3,3]. Neighbours are found by equal position (0.01 mm), so
    it does not matter whether a model shares its vertices. Windings that disagree are reconciled by the sign of the
    scalar product, because many models are wound at random.
    """
    cross = np.cross(positions[:, 1] - positions[:, 0], positions[:, 2] - positions[:, 0])
    area = np.linalg.norm(cross, axis=1, keepdims=True)
    face = cross / np.maximum(area, 1e-20)
    key = np.round(positions.reshape(-1, 3) * 1e5).astype(np.int64)
    _, vertex = np.unique(key, axis=0, return_inverse=True)
    vertex = vertex.ravel()
    order = np.argsort(vertex, kind="stable")
    starts = np.searchsorted(vertex[order], np.arange(vertex.max() + 2))
    owner = order // 3
    limit = np.cos(np.deg2rad(crease_deg))
    valence = np.diff(starts)
    result = np.zeros((len(vertex), 3))
    # Corners around vertices of equal valence are handled together, k x k pairs at once.
    for k in np.unique(valence):
        at = np.flatnonzero(valence == k)
        for part in np.array_split(at, max(1, len(at) * k * k // 2_000_000)):
            slots = starts[part][:, None] + np.arange(k)
            normals, weights = face[owner[slots]], area[owner[slots], 0]
            cosine = np.einsum("pik,pjk->pij", normals, normals)
            take = np.where(np.abs(cosine) >= limit, np.sign(cosine), 0.0) * weights[:, None, :]
            result[order[slots]] = np.einsum("pij,pjk->pik", take, normals)
    length = np.linalg.norm(result, axis=1, keepdims=True)
    result = np.where(length > 1e-20, result / np.maximum(length, 1e-20), np.repeat(face, 3, axis=0))
    return result.reshape(-1, 3, 3)


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
