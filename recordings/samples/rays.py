"""Ray casting and surface look-up: which colour, light and normal a ray finds."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import open3d as o3d
from scene import Scene, to_linear

Array = np.ndarray
MISS = np.iinfo(np.uint32).max
SELF_HIT_GAP_M = 1.5e-3


@dataclass
class Tracer:
    """Two ray casters over the scene's triangles: `all` and one without glowing panes, through which light enters.

    `open_ids` gives the scene's triangle for a triangle of the second one.
    """

    everything: o3d.t.geometry.RaycastingScene
    without_panes: o3d.t.geometry.RaycastingScene

    @classmethod
    def of(cls, scene: Scene) -> Tracer:
        glow = np.array([material.glow > 0 for material in scene.materials])[scene.material]
        return cls(_caster(scene.positions), _caster(scene.positions[~glow]))

    def hits(self, rays: Array) -> tuple[Array, Array, Array]:
        """Distance (inf = miss), triangle (MISS = none) and barycentric uv of the first hits of rays [n,6]."""
        answer = self.everything.cast_rays(o3d.core.Tensor(rays))
        return answer["t_hit"].numpy(), answer["primitive_ids"].numpy(), answer["primitive_uvs"].numpy()

    def blocked(self, rays: Array, far: float = np.inf) -> Array:
        """Whether anything but window panes lies within `far` (in ray lengths) along rays [n,6]."""
        return self.without_panes.test_occlusions(o3d.core.Tensor(rays), tnear=0.0, tfar=float(far)).numpy()


def _caster(positions: Array) -> o3d.t.geometry.RaycastingScene:
    caster = o3d.t.geometry.RaycastingScene()
    vertices = np.ascontiguousarray(positions.reshape(-1, 3), np.float32)
    triangles = np.arange(len(vertices), dtype=np.uint32).reshape(-1, 3)
    caster.add_triangles(o3d.core.Tensor(vertices), o3d.core.Tensor(triangles))
    return caster


@dataclass(frozen=True)
class SurfaceTables:
    """The scene as plain arrays for the compiled look-up."""

    normals: Array
    face_normals: Array
    uvs: Array
    material: Array
    texel_density: Array
    bake_index: Array
    tints: Array
    shine: Array
    texture: Array
    texels: Array
    texture_table: Array
    linear_of_byte: Array

    @classmethod
    def of(cls, scene: Scene) -> SurfaceTables:
        p = scene.positions
        face = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
        face /= np.maximum(np.linalg.norm(face, axis=1, keepdims=True), 1e-20)
        return cls(
            normals=scene.normals,
            face_normals=face.astype(np.float32),
            uvs=scene.uvs,
            material=scene.material,
            texel_density=scene.texel_density,
            bake_index=scene.bake_index,
            tints=np.array([m.tint for m in scene.materials], np.float32),
            shine=np.array([(m.gloss, m.roughness, m.glow) for m in scene.materials], np.float32),
            texture=np.array([m.texture for m in scene.materials], np.int32),
            texels=scene.atlas.texels,
            texture_table=scene.atlas.table,
            linear_of_byte=to_linear(np.arange(256) / 255.0).astype(np.float32),
        )

    def arrays(self) -> tuple[Array, ...]:
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)


@numba.njit(cache=True)
def _bilinear(texels, row, u, v, linear, out, weight):
    offset, height, width = row[0], row[1], row[2]
    x, y = u * width - 0.5, (1.0 - v) * height - 0.5
    x0, y0 = int(np.floor(x)), int(np.floor(y))
    fx, fy = x - x0, y - y0
    for j in range(2):
        wy = fy if j else 1.0 - fy
        line = offset + ((y0 + j) % height) * width
        for i in range(2):
            w = weight * wy * (fx if i else 1.0 - fx)
            texel = line + (x0 + i) % width
            for c in range(3):
                out[c] += w * linear[texels[texel, c]]


@numba.njit(cache=True)
def _texture(texels, table, u, v, level, linear, out):
    level = min(max(level, 0.0), 11.0)
    low = int(level)
    share = level - low
    out[:] = 0.0
    _bilinear(texels, table[low], u, v, linear, out, 1.0 - share)
    if share > 0.0:
        _bilinear(texels, table[low + 1], u, v, linear, out, share)


@numba.njit(parallel=True, cache=True)
def look_up(tables, light, rays, distance, triangle, bary, pixel_angle, albedo, irradiance, normal, shine):
    """Fills, per ray: albedo [n,3], irradiance [n,3] of its side, unit normal towards the viewer [n,3], and
    shine [n,3] = mirror reflectance, roughness, glow. Rays that miss get zeros.

    `light` [b,2,3] holds baked irradiance per bake point for front and back; `pixel_angle` is the angle (radians)
    one sample covers, for choosing the texture level.
    """
    normals, faces, uvs, materials, density, index, tints, shines, texture, texels, table, linear = tables
    for r in numba.prange(len(triangle)):
        albedo[r], irradiance[r], normal[r], shine[r] = 0.0, 0.0, 0.0, 0.0
        if not np.isfinite(distance[r]):
            continue
        t = triangle[r]
        b, c = bary[r, 0], bary[r, 1]
        a = 1.0 - b - c
        direction = rays[r, 3:6]
        facing = -(faces[t, 0] * direction[0] + faces[t, 1] * direction[1] + faces[t, 2] * direction[2])
        side, sign = (0, 1.0) if facing >= 0.0 else (1, -1.0)
        length = 0.0
        for k in range(3):
            normal[r, k] = sign * (a * normals[t, 0, k] + b * normals[t, 1, k] + c * normals[t, 2, k])
            length += normal[r, k] ** 2
            irradiance[r, k] = (
                a * light[index[t, 0], side, k] + b * light[index[t, 1], side, k] + c * light[index[t, 2], side, k]
            )
        normal[r] /= max(np.sqrt(length), 1e-6)
        m = materials[t]
        u = a * uvs[t, 0, 0] + b * uvs[t, 1, 0] + c * uvs[t, 2, 0]
        v = a * uvs[t, 0, 1] + b * uvs[t, 1, 1] + c * uvs[t, 2, 1]
        footprint = distance[r] * pixel_angle * density[t] / np.sqrt(max(abs(facing), 0.1))
        _texture(texels, table[texture[m]], u, v, np.log2(max(footprint, 1.0)), linear, albedo[r])
        for k in range(3):
            albedo[r, k] *= tints[m, k]
            shine[r, k] = shines[m, k]


@dataclass
class Found:
    """What rays met; see `look_up`."""

    distance: Array
    triangle: Array
    albedo: Array
    irradiance: Array
    normal: Array
    shine: Array


def find_surfaces(tracer: Tracer, tables: SurfaceTables, light: Array, rays: Array, pixel_angle: float) -> Found:
    """Casts rays [n,6] (origin, unit direction; float32) and looks up what they meet."""
    distance, triangle, bary = tracer.hits(rays)
    out = [np.empty((len(rays), 3), np.float32) for _ in range(4)]
    look_up(tables.arrays(), light, rays, distance, triangle, bary, pixel_angle, *out)
    return Found(distance, triangle, *out)
