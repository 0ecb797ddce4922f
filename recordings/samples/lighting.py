"""Daylight baked once: sky light through the window, sun, and light passed on between surfaces (radiosity).

Irradiance is kept per bake point and for both sides of its surface, because furniture models are wound at random.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import fittings
import numba
import numpy as np
import scipy.sparse
from rays import MISS, SELF_HIT_GAP_M, SurfaceTables, Tracer, look_up
from scene import Scene

Array = np.ndarray
log = logging.getLogger(__name__)

SUN_COLOUR = (1.0, 0.80, 0.56)
# Deviation (radians per axis) of directions over the sun's disc, whose radius is 0.27 degrees.
SUN_SPREAD = 0.0024
SKY_COLOUR = (0.90, 0.97, 1.08)


@dataclass(frozen=True)
class LightSettings:
    """Strengths are relative; angles in degrees. The sun's bearing is measured from east, counter-clockwise."""

    sky_radiance: float
    sun_irradiance: float = 17.0
    sun_elevation_deg: float = 27.0
    sun_bearing_deg: float = -13.0
    window_samples: int = 64
    bounces: tuple[int, ...] = (32, 32, 160)
    seed: int = 1

    def to_sun(self) -> Array:
        elevation, bearing = np.deg2rad(self.sun_elevation_deg), np.deg2rad(self.sun_bearing_deg)
        flat = np.array([np.cos(bearing), np.sin(bearing)]) * np.cos(elevation)
        return np.array([*flat, np.sin(elevation)])


@dataclass(frozen=True)
class BakedLight:
    """Irradiance [b,2,3] float32 (front, back): `soft` without direct sun, `total` with it; `sunny` [m] marks triangles
    that the sun may reach."""

    soft: Array
    total: Array
    sunny: Array


@numba.njit(cache=True)
def _hash(a, b):
    """Repeatable random number in 0..1 from two integers."""
    x = np.uint64(a) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(b) * np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(31)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(29)
    return np.float64(x >> np.uint64(11)) / 9007199254740992.0


@numba.njit(parallel=True, cache=True)
def _hemisphere_rays(points, normals, first, count, salt, gap):
    """`count` cosine-distributed rays per point: a lattice shifted at random for each point. Returns [n*count,6]."""
    rays = np.empty((len(points) * count, 6), np.float32)
    for p in numba.prange(len(points)):
        n = normals[p]
        sign = 1.0 if n[2] >= 0.0 else -1.0
        a = -1.0 / (sign + n[2])
        b = n[0] * n[1] * a
        shift_u, shift_v = _hash(first + p, salt), _hash(first + p, salt + 7)
        for s in range(count):
            u = ((s + 0.5) / count + shift_u) % 1.0
            v = (s * 0.6180339887498949 + shift_v) % 1.0
            radius, turn = np.sqrt(u), 2.0 * np.pi * v
            x, y, z = radius * np.cos(turn), radius * np.sin(turn), np.sqrt(max(1.0 - u, 0.0))
            r = rays[p * count + s]
            r[3] = x * (1.0 + sign * n[0] * n[0] * a) + y * b + z * n[0]
            r[4] = x * sign * b + y * (sign + n[1] * n[1] * a) + z * n[1]
            r[5] = x * -sign * n[0] - y * n[1] + z * n[2]
            for k in range(3):
                r[k] = points[p, k] + gap * (n[k] + r[3 + k])
    return rays


@numba.njit(parallel=True, cache=True)
def _gather(radiosity, faces, rays, triangle, count, out):
    """Mean radiosity of what the rays of each point met, on the side they met."""
    for p in numba.prange(len(out)):
        total = np.zeros(3)
        for r in range(p * count, (p + 1) * count):
            t = triangle[r]
            if t == MISS:
                continue
            facing = faces[t, 0] * rays[r, 3] + faces[t, 1] * rays[r, 4] + faces[t, 2] * rays[r, 5]
            side = 0 if facing <= 0.0 else 1
            for k in range(3):
                total[k] += radiosity[t, side, k]
        for k in range(3):
            out[p, k] = total[k] / count


@numba.njit(parallel=True, cache=True)
def _window_rays(points, normals, pane, per_side, first, gap, rays, weight):
    """Shadow rays to a stratified grid on a pane (rows: corner, across, up, inward normal times area); `weight` is
    cos·cos·area/(d²·count), zero where facing away."""
    count = per_side * per_side
    for p in numba.prange(len(points)):
        n = normals[p]
        for s in range(count):
            u = (s // per_side + _hash(first + p, 3 * s)) / per_side
            v = (s % per_side + _hash(first + p, 3 * s + 1)) / per_side
            square, here, there = 0.0, 0.0, 0.0
            r = rays[p * count + s]
            for k in range(3):
                r[k] = points[p, k] + gap * n[k]
                step = pane[0, k] + u * pane[1, k] + v * pane[2, k] - r[k]
                r[3 + k] = step
                square += step * step
                here += step * n[k]
                there -= step * pane[3, k]
            square = max(square, 4e-3)
            weight[p * count + s] = max(here, 0.0) * max(there, 0.0) / (square * square * count)


def _sky_light(tracer: Tracer, points: Array, normals: Array, settings: LightSettings) -> Array:
    """Irradiance [n,3] from the window panes, with their visibility past frame, curtains and furniture."""
    side = round(np.sqrt(settings.window_samples))
    result = np.zeros(len(points))
    for corner, across, up, share in fittings.PANES:
        pane = np.array([corner, across, up, np.cross(across, up)])
        for start in range(0, len(points), 40_000):
            some = slice(start, start + 40_000)
            rays = np.empty((len(points[some]) * side * side, 6), np.float32)
            weight = np.empty(len(rays), np.float32)
            _window_rays(points[some], normals[some], pane, side, start, SELF_HIT_GAP_M, rays, weight)
            asked = np.flatnonzero(weight > 0)
            weight[asked[tracer.blocked(rays[asked], far=0.999)]] = 0.0
            result[some] += share * weight.reshape(-1, side * side).sum(axis=1)
    return settings.sky_radiance * result[:, None] * np.array(SKY_COLOUR)


def _sun_light(tracer: Tracer, points: Array, normals: Array, settings: LightSettings) -> Array:
    """Irradiance [n,3] from the sun, four rays over its disc."""
    rng = np.random.default_rng(settings.seed)
    result = np.zeros(len(points))
    for _ in range(4):
        direction = settings.to_sun() + rng.normal(0.0, SUN_SPREAD, 3)
        direction /= np.linalg.norm(direction)
        cosine = normals @ direction
        asked = np.flatnonzero(cosine > 0)
        origin = points[asked] + SELF_HIT_GAP_M * normals[asked]
        rays = np.concatenate([origin, np.broadcast_to(direction, origin.shape)], axis=1).astype(np.float32)
        result[asked] += 0.25 * cosine[asked] * ~tracer.blocked(rays)
    return settings.sun_irradiance * result[:, None] * np.array(SUN_COLOUR)


def _mean_albedo(scene: Scene, tables: SurfaceTables) -> Array:
    """Albedo [m,3] at every triangle's centre, from a coarse texture level; panes reflect nothing."""
    count = len(scene.positions)
    rays = np.zeros((count, 6), np.float32)
    rays[:, 3:] = -tables.face_normals
    thirds = np.full((count, 2), 1 / 3, np.float32)
    blank = np.zeros((len(scene.bake_points), 2, 3), np.float32)
    out = [np.empty((count, 3), np.float32) for _ in range(4)]
    triangle = np.arange(count, dtype=np.uint32)
    look_up(tables.arrays(), blank, rays, np.ones(count, np.float32), triangle, thirds, 0.012, *out)
    return np.where(out[3][:, 2:] > 0, 0.0, np.minimum(out[0], 0.9))


def _smoother(scene: Scene) -> scipy.sparse.csr_matrix:
    """Averages a bake point with its neighbours along triangle edges (half weight to itself)."""
    edges = np.concatenate([scene.bake_index[:, [0, 1]], scene.bake_index[:, [1, 2]], scene.bake_index[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    count = len(scene.bake_points)
    links = scipy.sparse.csr_matrix((np.ones(len(edges)), edges.T), (count, count))
    links.data[:] = 1.0
    degree = np.maximum(np.asarray(links.sum(axis=1)).ravel(), 1e-9)
    return 0.5 * scipy.sparse.identity(count) + 0.5 * scipy.sparse.diags(1.0 / degree) @ links


def bake(scene: Scene, tracer: Tracer, tables: SurfaceTables, settings: LightSettings) -> BakedLight:
    """Bakes the daylight of the room; deterministic for the same scene and settings."""
    points = np.concatenate([scene.bake_points, scene.bake_points])
    normals = np.concatenate([scene.bake_normals, -scene.bake_normals])
    count = len(scene.bake_points)
    sky = _sky_light(tracer, points, normals, settings)
    sun = _sun_light(tracer, points, normals, settings)
    log.info("direct light at %d points", count)
    albedo, smoother = _mean_albedo(scene, tables), _smoother(scene)
    passed_on = np.zeros_like(sky)
    for bounce, rays_each in enumerate(settings.bounces):
        total = np.stack([(sky + sun + passed_on)[:count], (sky + sun + passed_on)[count:]], axis=1)
        radiosity = albedo[:, None, :] * total[scene.bake_index].mean(axis=1)
        step = max(1, 6_000_000 // rays_each)
        for start in range(0, len(points), step):
            some = slice(start, start + step)
            rays = _hemisphere_rays(points[some], normals[some], start, rays_each, 100 * bounce, SELF_HIT_GAP_M)
            _, triangle, _ = tracer.hits(rays)
            _gather(radiosity, tables.face_normals, rays, triangle, rays_each, passed_on[some])
        for half in (slice(0, count), slice(count, None)):
            for _ in range(2):
                passed_on[half] = smoother @ passed_on[half]
        log.info("bounce %d of %d", bounce + 1, len(settings.bounces))
    soft = np.stack([(sky + passed_on)[:count], (sky + passed_on)[count:]], axis=1).astype(np.float32)
    direct = np.stack([sun[:count], sun[count:]], axis=1).astype(np.float32)
    # A shadow's edge can lie between unlit points: their neighbours' neighbours are asked at render time, too.
    reached = smoother @ (smoother @ (direct.max(axis=(1, 2)) > 0).astype(float))
    sunny = (reached > 0)[scene.bake_index].any(axis=1)
    return BakedLight(soft, soft + direct, sunny)
