"""Polygons and triangle soups: ear clipping, crease-aware normals, merging of tiny triangles."""

from __future__ import annotations

import numpy as np


def flatten(corners: np.ndarray) -> np.ndarray:
    """Projects a nearly planar polygon [n,3] on its own plane; the result [n,2] turns counter-clockwise."""
    following = np.roll(corners, -1, axis=0)
    normal = np.cross(corners - corners[0], following - corners[0]).sum(axis=0)
    length = np.linalg.norm(normal)
    if length == 0.0:
        return corners[:, :2]
    normal /= length
    first = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    first /= np.linalg.norm(first)
    return np.stack([corners @ first, corners @ np.cross(normal, first)], axis=1)


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _is_ear(flat: np.ndarray, remaining: list[int], place: int, slack: float) -> bool:
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


def triangulate(corners: np.ndarray) -> list[tuple[int, int, int]]:
    """Splits one polygon, concave ones included, into triangles by ear clipping.

    Shapes: corners [n,3] in order, any unit; returns n-2 index triples that keep the winding.
    A convex polygon gets a fan, which is the same surface.
    """
    count = len(corners)
    fan = [(0, i, i + 1) for i in range(1, count - 1)]
    if count == 3:
        return fan
    flat = flatten(corners)
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


def triangulate_all(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of many polygons [f,n] with the same number of corners: triangles as places 0..n-1 [t,3], and [t] the
    polygon each comes from. Fans for convex polygons, `triangulate` for the few others."""
    count = faces.shape[1]
    fan = np.array([(0, i, i + 1) for i in range(1, count - 1)])
    if count == 3:
        return np.repeat(fan, len(faces), axis=0), np.arange(len(faces))
    corners = vertices[faces]
    following = np.roll(corners, -1, axis=1)
    normal = np.cross(corners - corners[:, :1], following - corners[:, :1]).sum(axis=1)
    edges = following - corners
    bends = np.einsum("fnk,fk->fn", np.cross(edges, np.roll(edges, -1, axis=1)), normal)
    size = np.linalg.norm(normal, axis=1)
    convex = (bends >= -1e-9 * size[:, None] ** 2).all(axis=1)
    # A star turns one way at every corner, too, but by more than once around.
    if count > 4:
        lengths = np.linalg.norm(edges, axis=2)
        product = np.maximum(lengths * np.roll(lengths, -1, axis=1), 1e-30)
        cosine = np.einsum("fnk,fnk->fn", edges, np.roll(edges, -1, axis=1)) / product
        convex &= np.arccos(np.clip(cosine, -1, 1)).sum(axis=1) < 2 * np.pi + 0.5
    plain = np.flatnonzero(convex)
    triangles = [np.tile(fan, (len(plain), 1))]
    owners = [np.repeat(plain, len(fan))]
    for face in np.flatnonzero(~convex):
        split = np.array(triangulate(corners[face]))
        triangles.append(split)
        owners.append(np.full(len(split), face))
    return np.concatenate(triangles), np.concatenate(owners)


def corner_normals(positions: np.ndarray, crease_deg: float = 42.0) -> np.ndarray:
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


def merge_tiny(positions: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Merges corners that share a cell of the finest grid that leaves at most `most` triangles.

    Shapes: positions [m,3,3]; returns the moved corners [k,3,3] and which triangles [k] they belong to.
    """
    low = positions.min(axis=(0, 1))
    extent = float(np.ptp(positions, axis=(0, 1)).max())
    fine, coarse = 512, 8
    result = positions, np.arange(len(positions))
    if len(positions) <= most:
        return result
    while coarse < fine - 1:
        cells = (fine + coarse) // 2
        result = _clustered(positions, low, extent / cells)
        if len(result[1]) > most:
            fine = cells
        else:
            coarse = cells
    return _clustered(positions, low, extent / coarse)


def _clustered(positions: np.ndarray, low: np.ndarray, cell: float) -> tuple[np.ndarray, np.ndarray]:
    key = np.floor((positions.reshape(-1, 3) - low) / cell).astype(np.int64)
    code = (key[:, 0] * 2048 + key[:, 1]) * 2048 + key[:, 2]
    _, vertex = np.unique(code, return_inverse=True)
    vertex = vertex.ravel()
    count = np.bincount(vertex)
    mean = np.stack([np.bincount(vertex, positions.reshape(-1, 3)[:, k]) / count for k in range(3)], axis=1)
    corner = vertex.reshape(-1, 3)
    a, b, c = corner.T
    proper = (a != b) & (b != c) & (c != a)
    # Of several triangles between the same three cells one is enough.
    _, first = np.unique(np.sort(corner[proper], axis=1), axis=0, return_index=True)
    keep = np.flatnonzero(proper)[np.sort(first)]
    return mean[corner[keep]], keep
