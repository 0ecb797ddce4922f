"""Round and soft shapes as triangle soups. z up, metres; texture coordinates in metres unless a shape says 0..1."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Shape(NamedTuple):
    """corners [m,3,3], shading normals [m,3,3], texture coordinates [m,3,2], all f64."""

    corners: np.ndarray
    normals: np.ndarray
    uv: np.ndarray


def surface(points: np.ndarray, uv: np.ndarray, wraps: bool = False) -> Shape:
    """Smooth triangles over points [r,c,3] with coordinates [r,c,2]; `wraps`: the last column is the first."""
    down = np.gradient(points, axis=0)
    if wraps:
        across = np.roll(points[:, :-1], -1, axis=1) - np.roll(points[:, :-1], 1, axis=1)
        across = np.concatenate([across, across[:, :1]], axis=1)
    else:
        across = np.gradient(points, axis=1)
    normals = np.cross(across, down)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    # At a pole one of the two directions vanishes: the neighbouring row knows the normal.
    for row, inner in ((0, 1), (-1, -2)):
        bad = length[row, :, 0] < 1e-9 * max(float(length.max()), 1e-30)
        normals[row, bad], length[row, bad] = normals[inner, bad], length[inner, bad]
    normals = normals / np.maximum(length, 1e-30)
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    corners = points.reshape(-1, 3)[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    keep = area > 1e-14
    return Shape(corners[keep], normals.reshape(-1, 3)[faces[keep]], uv.reshape(-1, 2)[faces[keep]])


def panel(origin: np.ndarray, across: np.ndarray, up: np.ndarray) -> Shape:
    """Flat rectangle from `origin` along two edges; its normal is across x up, uv in metres from the origin."""
    origin, across, up = (np.asarray(v, np.float64) for v in (origin, across, up))
    corners = np.stack([origin, origin + across, origin + across + up, origin + up])
    wide, tall = np.linalg.norm(across), np.linalg.norm(up)
    uv = np.array([[0, 0], [wide, 0], [wide, tall], [0, tall]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    normal = np.cross(across, up) / max(float(wide * tall), 1e-12)
    return Shape(corners[faces], np.broadcast_to(normal, (2, 3, 3)).copy(), uv[faces])


def joined(*shapes: Shape) -> Shape:
    """All shapes as one."""
    return Shape(*(np.concatenate(parts) for parts in zip(*shapes, strict=True)))


@lru_cache(maxsize=512)
def lathe(profile: tuple[tuple[float, float], ...], sides: int = 20, smooth: bool = False) -> Shape:
    """Turns a profile of (radius, height) about the z axis; `smooth` rounds its edges in the shading."""
    turn = np.linspace(0.0, 2.0 * np.pi, sides + 1)
    rim = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    radius, height = np.array(profile, np.float64).T
    along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(radius), np.diff(height)))])
    widest = float(radius.max())

    def ring(rows: slice) -> Shape:
        points = np.concatenate(
            [
                radius[rows, None, None] * rim,
                np.broadcast_to(height[rows, None, None], (len(radius[rows]), sides + 1, 1)),
            ],
            axis=2,
        )
        uv = np.stack(np.broadcast_arrays(widest * turn[None, :], along[rows, None]), axis=-1)
        return surface(points, uv, wraps=True)

    if smooth:
        return ring(slice(None))
    return joined(*(ring(slice(i, i + 2)) for i in range(len(radius) - 1) if along[i + 1] > along[i]))


def rod(radius: float, height: float, top_radius: float | None = None, sides: int = 16) -> Shape:
    """Closed cylinder or cone on z = 0."""
    top = radius if top_radius is None else top_radius
    return lathe(((0.0, 0.0), (radius, 0.0), (top, height), (0.0, height)), sides)


@lru_cache(maxsize=64)
def cushion(roundness: float = 0.5, steps: int = 12) -> Shape:
    """A superellipsoid in the cube -1..1: 1 is a ball, 0.3 a soft box. uv 0..1 over its upper and lower side."""
    lat = np.linspace(-np.pi / 2, np.pi / 2, steps)[:, None]
    lon = np.linspace(-np.pi, np.pi, 2 * steps + 1)[None, :]

    def power(value: np.ndarray) -> np.ndarray:
        return np.sign(value) * np.abs(value) ** roundness

    ring = power(np.cos(lat))
    points = np.stack(np.broadcast_arrays(ring * power(np.cos(lon)), ring * power(np.sin(lon)), power(np.sin(lat))), -1)
    return surface(points, 0.5 + 0.5 * points[..., :2], wraps=True)


def ball(steps: int = 10) -> Shape:
    """The unit ball."""
    return cushion(1.0, steps)


def drape(width: float, height: float, folds: float, depth: float, rng: np.random.Generator) -> Shape:
    """Hanging cloth from z = 0 to `height` along +x, centred at x = 0, folds along y that widen towards the hem."""
    s, z = np.linspace(0.0, 1.0, max(int(folds * 10), 12)), np.linspace(0.0, 1.0, 7)[:, None]
    phase = 2 * np.pi * (folds * s + 0.25 * np.sin(2 * np.pi * (1.3 * s + rng.random())))[None, :]
    sway = 0.35 * np.sin(2 * np.pi * (2.1 * s + rng.random()))[None, :]
    y = depth * (1.0 - 0.35 * z) * (np.sin(phase + 0.5 * sway * (1 - z)) + 0.3 * sway)
    x = width * (s[None, :] - 0.5 + 0.02 * (1 - z) * np.cos(phase))
    points = np.stack([x, y, np.broadcast_to(height * z, x.shape)], axis=-1)
    return surface(points, np.stack(np.broadcast_arrays(1.5 * width * s[None, :], height * z), axis=-1))


def crumpled(width: float, depth: float, height: float, rng: np.random.Generator, steps: int = 12) -> Shape:
    """A heap of cloth or a creased blanket on z = 0, centred, thin at its rim."""
    u, v = np.meshgrid(np.linspace(-1, 1, steps), np.linspace(-1, 1, steps))
    bumps = np.zeros_like(u)
    for _ in range(6):
        kx, ky = rng.normal(0, 2.5, 2)
        bumps += rng.uniform(0.2, 1) * np.sin(kx * u + ky * v + rng.uniform(0, 6.3))
    edge = np.clip(1.0 - np.maximum(np.abs(u), np.abs(v)) ** 4, 0, 1)
    z = height * edge * np.clip(0.55 + 0.16 * bumps, 0.08, 1.0)
    wobble = 1.0 + 0.08 * np.sin(3 * u + 4 * v + rng.uniform(0, 6.3))
    points = np.stack([0.5 * width * u * wobble, 0.5 * depth * v * wobble, z + 0.002], axis=-1)
    return surface(points, np.stack([0.5 * width * u, 0.5 * depth * v], axis=-1))


def capsule(start: np.ndarray, end: np.ndarray, radius: float, end_radius: float | None = None) -> Shape:
    """A limb between two points, round at both ends."""
    tip = radius if end_radius is None else end_radius
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    length = float(np.linalg.norm(end - start))
    a, b = np.linspace(-np.pi / 2, 0, 5), np.linspace(0, np.pi / 2, 5)
    profile = [(radius * np.cos(t), radius * np.sin(t)) for t in a] + [
        (tip * np.cos(t), length + tip * np.sin(t)) for t in b
    ]
    upright = lathe(tuple((float(r), float(h)) for r, h in profile), 12, smooth=True)
    frame = upright_to((end - start) / max(length, 1e-9))
    return Shape(upright.corners @ frame.T + start, upright.normals @ frame.T, upright.uv)


def upright_to(direction: np.ndarray) -> np.ndarray:
    """A rotation [3,3] that takes +z to a unit vector."""
    helper = np.eye(3)[int(np.argmin(np.abs(direction)))]
    first = np.cross(helper, direction)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(direction, first), direction], axis=1)
