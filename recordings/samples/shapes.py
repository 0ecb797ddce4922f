"""Plain shapes as triangle soups: panels, boxes, rods, cushions, curtains.

World axes: z up, metres. Texture coordinates are metres times `uv_scale` unless a shape says 0..1.
"""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.furniture.polygons import corner_normals

Array = np.ndarray
Soup = dict[str, Array]


def panel(origin: Array, across: Array, up: Array, uv_size: tuple[float, float] = (1.0, 1.0)) -> Soup:
    """Flat rectangle from `origin` along `across` and `up`; its normal is across x up. uv run 0..uv_size."""
    origin, across, up = (np.asarray(v, float) for v in (origin, across, up))
    corners = np.stack([origin, origin + across, origin + across + up, origin + up])
    uv = np.array([[0, 0], [uv_size[0], 0], [uv_size[0], uv_size[1]], [0, uv_size[1]]], float)
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    normal = np.cross(across, up)
    normal /= np.linalg.norm(normal)
    return {"positions": corners[triangles], "normals": np.broadcast_to(normal, (2, 3, 3)).copy(), "uvs": uv[triangles]}


def box(low: Array, high: Array, uv_scale: float = 1.0) -> Soup:
    """Closed box between two corners; every face is mapped along its longer side so that wood grain follows it."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    faces = []
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        for side in (0, 1):
            across, up = np.zeros(3), np.zeros(3)
            across[first], up[second] = high[first] - low[first], high[second] - low[second]
            if side == 0:
                across, up = up, across
            origin = low.copy()
            origin[axis] = high[axis] if side else low[axis]
            long, short = np.abs(across).max(), np.abs(up).max()
            face = panel(origin, across, up, (long * uv_scale, short * uv_scale))
            if short > long:
                face["uvs"] = face["uvs"][..., ::-1]
            face["uvs"] = face["uvs"] + (low.sum() * 0.37 + axis * 0.21)
            faces.append(face)
    return merged(*faces)


def merged(*soups: Soup) -> Soup:
    return {name: np.concatenate([soup[name] for soup in soups]) for name in soups[0]}


def grid_surface(points: Array, uvs: Array, crease_deg: float = 60.0) -> Soup:
    """Triangles of a grid of points [r,c,3] with texture coordinates [r,c,2]."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    triangles = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    positions = points.reshape(-1, 3)[triangles]
    area = np.linalg.norm(np.cross(positions[:, 1] - positions[:, 0], positions[:, 2] - positions[:, 0]), axis=1)
    positions, triangles = positions[area > 1e-12], triangles[area > 1e-12]
    return {
        "positions": positions,
        "normals": corner_normals(positions, crease_deg),
        "uvs": uvs.reshape(-1, 2)[triangles],
    }


def rod(start: Array, end: Array, radius: float, sides: int = 14) -> Soup:
    """Cylinder without caps between two points."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    axis = (end - start) / np.linalg.norm(end - start)
    first = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    first /= np.linalg.norm(first)
    turn = np.linspace(0.0, 2.0 * np.pi, sides + 1)[:, None]
    ring = radius * (np.cos(turn) * first + np.sin(turn) * np.cross(axis, first))
    points = np.stack([start + ring, end + ring], axis=1)
    v = np.broadcast_to(np.array([0.0, np.linalg.norm(end - start)]), (sides + 1, 2))
    return grid_surface(points, np.stack([turn * radius + 0 * v, v], axis=-1))


def cushion(width: float, height: float, thickness: float, steps: int = 22) -> Soup:
    """A stuffed square cushion lying flat, centred, with pinched corners; front and back share uv 0..1."""
    u = np.linspace(-1.0, 1.0, steps)
    v, u = np.meshgrid(u, u, indexing="ij")
    swell = np.maximum((1 - u**4) * (1 - v**4), 0.0) ** 0.55
    x = 0.5 * width * u * (1.0 - 0.10 * (1 - v**2))
    y = 0.5 * height * v * (1.0 - 0.10 * (1 - u**2))
    uv = np.stack([(u + 1) / 2, (v + 1) / 2], axis=-1)
    front = np.stack([x, y, 0.5 * thickness * swell], axis=-1)
    return merged(grid_surface(front, uv), grid_surface((front * (1, 1, -1))[:, ::-1], uv[:, ::-1]))


def curtain(width: float, height: float, folds: float, depth: float, seed: int) -> Soup:
    """Hanging cloth from z = 0 to `height` along +x, folds along y that widen towards the hem. uv in metres."""
    rng = np.random.default_rng(seed)
    s = np.linspace(0.0, 1.0, int(folds * 14))
    z = np.linspace(0.0, 1.0, 16)
    phase = 2 * np.pi * (folds * s + 0.25 * np.sin(2 * np.pi * (1.3 * s + rng.random())))
    sway = 0.35 * np.sin(2 * np.pi * (2.1 * s + rng.random()))
    fall = 1.0 - 0.35 * z[:, None]
    y = depth * fall * (np.sin(phase + 0.5 * sway * (1 - z[:, None])) + 0.3 * sway)
    x = width * (s[None, :] + 0.02 * (1 - z[:, None]) * np.cos(phase))
    points = np.stack([x, y, np.broadcast_to(height * z[:, None], x.shape)], axis=-1)
    uv = np.stack(np.broadcast_arrays(1.8 * width * s[None, :], height * z[:, None]), axis=-1)
    return grid_surface(points, uv)


def moved(soup: Soup, rotation: Array, offset: Array) -> Soup:
    """Rotates ([3,3]) and then shifts a soup."""
    turned = {"positions": soup["positions"] @ rotation.T + np.asarray(offset), "normals": soup["normals"] @ rotation.T}
    return {**soup, **turned}


def tilt(degrees: float, axis: int) -> Array:
    """Rotation matrix about one world axis, counter-clockwise."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    matrix = np.eye(3)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[first, first], matrix[first, second], matrix[second, first], matrix[second, second] = cos, -sin, sin, cos
    return matrix
