"""Pictures of the lit room: anti-aliased, with motion blur, sun shadows, reflections, and a camera's faults."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from camera_path import FOCAL_PX, HEIGHT, WIDTH, CameraPath, pixel_rays
from lighting import SUN_COLOUR, SUN_SPREAD, BakedLight, LightSettings
from rays import SELF_HIT_GAP_M, Found, SurfaceTables, Tracer, find_surfaces
from scene import Scene, to_srgb

Array = np.ndarray


@dataclass(frozen=True)
class CameraSettings:
    """`samples` (columns, rows) per pixel are spread over the pixel and over the open shutter (`shutter_s`)."""

    samples: tuple[int, int] = (3, 2)
    shutter_s: float = 1 / 80
    exposure: float = 1.7
    noise: float = 0.006
    vignette: float = 0.22
    shrink: int = 1
    seed: int = 9


@dataclass(frozen=True)
class Studio:
    """All that a picture needs."""

    scene: Scene
    tracer: Tracer
    tables: SurfaceTables
    light: BakedLight
    sun: LightSettings


@dataclass(frozen=True)
class SubFrame:
    """One of the samples of every pixel: `shift` [3] displaces its sun and its mirror directions for all pixels alike,
    which gives soft edges without grain; `grain` breaks up the steps; `angle` (radians) is what a sample covers."""

    shift: Array
    grain: np.random.Generator
    angle: float

    def scatter(self, count: int) -> Array:
        return self.shift + 0.3 * self.grain.normal(0.0, 1.0, (count, 3))


def _sun_term(studio: Studio, rays: Array, found: Found, sub: SubFrame) -> Array:
    """Direct sun irradiance [n,3] with one shadow ray per sample towards the sun's disc."""
    result = np.zeros((len(rays), 3), np.float32)
    hit = np.isfinite(found.distance)
    lit = np.zeros(len(rays), bool)
    lit[hit] = studio.light.sunny[found.triangle[hit]]
    cosine = found.normal @ studio.sun.to_sun().astype(np.float32)
    asked = np.flatnonzero(lit & (cosine > 0))
    direction = studio.sun.to_sun() + SUN_SPREAD * sub.scatter(len(asked))
    origin = rays[asked, :3] + rays[asked, 3:] * found.distance[asked, None] + SELF_HIT_GAP_M * found.normal[asked]
    shadow = studio.tracer.blocked(np.concatenate([origin, direction], axis=1).astype(np.float32))
    strength = np.where(shadow, 0.0, cosine[asked]) * studio.sun.sun_irradiance
    result[asked] = strength[:, None] * np.array(SUN_COLOUR)
    return result


def _mirror_term(studio: Studio, rays: Array, found: Found, sub: SubFrame) -> Array:
    """Blurred reflections (Schlick's Fresnel term) on glossy surfaces, one ray per sample."""
    result = np.zeros((len(rays), 3), np.float32)
    glossy = np.flatnonzero(found.shine[:, 0] > 0.0)
    direction, normal = rays[glossy, 3:], found.normal[glossy]
    cosine = np.clip(-(direction * normal).sum(axis=1, keepdims=True), 0.0, 1.0)
    gloss, roughness = found.shine[glossy, :1], found.shine[glossy, 1:2]
    mirrored = direction + 2.0 * cosine * normal
    mirrored += (roughness * sub.scatter(len(glossy))).astype(np.float32)
    below = (mirrored * normal).sum(axis=1, keepdims=True)
    mirrored += normal * np.maximum(0.02 - below, 0.0)
    mirrored /= np.linalg.norm(mirrored, axis=1, keepdims=True)
    origin = rays[glossy, :3] + direction * found.distance[glossy, None] + SELF_HIT_GAP_M * normal
    second = np.concatenate([origin, mirrored], axis=1).astype(np.float32)
    seen = find_surfaces(studio.tracer, studio.tables, studio.light.total, second, 8.0 * sub.angle)
    radiance = seen.albedo * (seen.irradiance / np.pi + seen.shine[:, 2:])
    fresnel = gloss + (1.0 - gloss) * (1.0 - cosine) ** 5 * np.clip(1.0 - 4.0 * roughness, 0.0, 0.75)
    result[glossy] = fresnel * np.minimum(radiance, 3.0)
    return result


def radiance(studio: Studio, rays: Array, sub: SubFrame) -> Array:
    """Linear colour [n,3] along rays [n,6]."""
    found = find_surfaces(studio.tracer, studio.tables, studio.light.soft, rays, sub.angle)
    irradiance = found.irradiance + _sun_term(studio, rays, found, sub)
    colour = found.albedo * (irradiance / np.pi + found.shine[:, 2:])
    return colour + _mirror_term(studio, rays, found, sub)


def tone_map(linear: Array, white: float = 4.5) -> Array:
    """Some contrast, Reinhard's extended curve (`white` maps to 1), then sRGB 0..1."""
    x = np.maximum(linear, 0.0) ** 1.12
    return np.clip(to_srgb(np.clip(x * (1.0 + x / white**2) / (1.0 + x), 0.0, 1.0)), 0.0, 1.0)


def picture(studio: Studio, path: CameraPath, time_s: float, settings: CameraSettings) -> Array:
    """One video frame [H,W,3] uint8, exposed symmetrically about `time_s`."""
    height, width, step = HEIGHT // settings.shrink, WIDTH // settings.shrink, settings.shrink
    rng = np.random.default_rng([settings.seed, round(time_s * 1e6)])
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64) * step
    across, down = settings.samples
    count = across * down
    total = np.zeros((height * width, 3))
    fixed = np.random.default_rng(settings.seed)
    shifts = fixed.normal(0.0, 1.0, (count, 3))
    shifts[count // 2 :] = -shifts[: count - count // 2]
    for order, s in enumerate(fixed.permutation(count)):
        when = time_s + settings.shutter_s * ((order + 0.5) / count - 0.5)
        dx = (s % across + rng.random(rows.shape)) / across - 0.5
        dy = (s // across + rng.random(rows.shape)) / down - 0.5
        rays = pixel_rays(path.pose(when), columns + step * dx, rows + step * dy)
        colour = radiance(studio, rays, SubFrame(shifts[order], rng, step / (FOCAL_PX * np.sqrt(count))))
        # Light beyond the film's range must not spill over a whole pixel edge.
        total += np.minimum(colour * settings.exposure, 4.0)
    mean = (total / count).reshape(height, width, 3)
    centre = np.hypot((rows - HEIGHT / 2) / HEIGHT, (columns - WIDTH / 2) / HEIGHT)
    mean *= (1.0 - settings.vignette * (centre / 0.833) ** 2)[..., None]
    shown = tone_map(mean)
    shown += settings.noise * rng.normal(0.0, 1.0, shown.shape) * (0.6 + 0.8 * (1.0 - shown))
    return np.round(np.clip(shown, 0.0, 1.0) * 255.0).astype(np.uint8)
