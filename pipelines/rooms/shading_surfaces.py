"""What rays have met: place, normals, colour, shine and names of the surfaces, gathered from one table."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch

from mapping.surface.room_rays import Hits, part_pose
from pipelines.rooms.shading_textures import LEVELS, TextureAtlas, linear_of_srgb
from pipelines.rooms.shading_vectors import dot, length, unit
from streammtl.data.rooms.scene import Mesh, Scene

# Rows of the table, one column per triangle.
UV, NORMALS, FACE, COLOUR = slice(0, 6), slice(6, 15), slice(15, 18), slice(18, 21)
SPECULAR, GLOSS, EMISSION, TEXELS_PER_M, TEXTURE, ROWS = 21, 22, 23, 24, 25, 26
ROOM = -1


@dataclass(frozen=True)
class Surfaces:
    """What n rays met; vectors are [3,n] in world axes, normals are of unit length and face the camera."""

    hit: torch.Tensor  # bool [n]
    depth_m: torch.Tensor  # f32 [n] along the optical axis; 0 = nothing
    point: torch.Tensor
    to_camera: torch.Tensor  # unit
    face_normal: torch.Tensor  # of the flat triangle
    shading_normal: torch.Tensor  # interpolated between the corners
    albedo: torch.Tensor  # linear
    specular: torch.Tensor
    gloss: torch.Tensor
    emission: torch.Tensor
    triangle: torch.Tensor  # i64 [n], 0 where nothing was hit

    def take(self, index: torch.Tensor) -> Surfaces:
        """Only the rays of `index` i64 [m]."""
        return Surfaces(*(getattr(self, f.name)[..., index] for f in fields(self)))


class SurfaceTable:
    """Look-up tables over all triangles of a scene: the room's, then every moving part's."""

    def __init__(self, scene: Scene) -> None:
        meshes = [scene.mesh, *(part.mesh for part in scene.moving)]
        self.atlas, texture_of_material = TextureAtlas.of(scene.materials)
        self.label = torch.from_numpy(np.concatenate([mesh.label for mesh in meshes]).astype(np.uint8))
        self.instance = torch.from_numpy(np.concatenate([mesh.instance for mesh in meshes]).astype(np.int64))
        self.material = torch.from_numpy(np.concatenate([mesh.material for mesh in meshes]).astype(np.int64))
        counts = [len(mesh.corners) for mesh in meshes]
        self.part = torch.from_numpy(np.repeat(np.arange(-1, len(scene.moving)), counts))
        self._moving = scene.moving
        columns = np.concatenate([_rows(mesh, scene, texture_of_material, self.atlas) for mesh in meshes])
        # One array per attribute: gathering and arithmetic then run along memory.
        self._rows = torch.from_numpy(np.ascontiguousarray(columns.T))

    def find(self, hits: Hits, rays: np.ndarray, time_s: float, pixel_angle: float) -> Surfaces:
        """What `rays` f32 [n,6] met; `pixel_angle` is the width of a sample's cone at the image centre, radians."""
        distance = torch.from_numpy(hits.distance)
        hit = torch.isfinite(distance)
        distance = torch.where(hit, distance, 0.0)
        triangle = torch.from_numpy(hits.triangle).clamp_min(0)
        ray = torch.from_numpy(rays).t().contiguous()
        row = self._rows.index_select(1, triangle)
        second, third = torch.from_numpy(hits.bary).t().contiguous()
        first = 1.0 - second - third
        u = row[0] * first + row[2] * second + row[4] * third
        v = row[1] * first + row[3] * second + row[5] * third
        shading = row[6:9] * first + row[9:12] * second + row[12:15] * third
        face = row[FACE]
        self._turn_parts(triangle, time_s, face, shading)
        ray_length = length(ray[3:])
        to_camera = -ray[3:] / ray_length
        facing = dot(face, to_camera)
        face = face * torch.where(facing < 0, -1.0, 1.0)
        shading = _towards(unit(shading), face)
        cosine = facing.abs_().clamp_min_(0.08)
        texels_wide = distance * ray_length * pixel_angle * row[TEXELS_PER_M] / cosine.sqrt()
        colour = self.atlas.look_up(row[TEXTURE].to(torch.int64), u, v, texels_wide)
        return Surfaces(
            hit=hit,
            depth_m=distance,
            point=torch.addcmul(ray[:3], ray[3:], distance),
            to_camera=to_camera,
            face_normal=face,
            shading_normal=shading,
            albedo=linear_of_srgb(colour).mul_(row[COLOUR]),
            specular=row[SPECULAR],
            gloss=row[GLOSS],
            emission=row[EMISSION],
            triangle=triangle,
        )

    def _turn_parts(self, triangle: torch.Tensor, time_s: float, *vectors: torch.Tensor) -> None:
        """Turns vectors [3,n] of moving parts, in place, as their parts have turned since time 0."""
        if not self._moving:
            return
        part = self.part.index_select(0, triangle)
        for index, moving in enumerate(self._moving):
            some = (part == index).nonzero().squeeze(1)
            rotation = torch.from_numpy(part_pose(moving, time_s)[:3, :3].astype(np.float32))
            for vector in vectors:
                vector[:, some] = rotation @ vector[:, some]


def _rows(mesh: Mesh, scene: Scene, texture_of_material: np.ndarray, atlas: TextureAtlas) -> np.ndarray:
    rows = np.zeros((len(mesh.corners), ROWS), np.float32)
    rows[:, UV] = mesh.uv.reshape(-1, 6)
    rows[:, NORMALS] = mesh.normals.reshape(-1, 9)
    corners = mesh.corners.astype(np.float64)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    doubled = np.linalg.norm(cross, axis=1)
    rows[:, FACE] = cross / np.maximum(doubled, 1e-20)[:, None]
    materials = scene.materials
    shine = np.array([(*m.colour, m.specular, m.gloss, m.emission) for m in materials], np.float32)
    rows[:, COLOUR.start : EMISSION + 1] = shine[mesh.material]
    texture = texture_of_material[mesh.material]
    rows[:, TEXTURE] = texture
    sides = mesh.uv[:, 1:] - mesh.uv[:, :1]
    uv_area = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0])
    texels = atlas.places.numpy()[:, texture * LEVELS]
    rows[:, TEXELS_PER_M] = np.sqrt(uv_area * texels[1] * texels[2] / np.maximum(doubled, 1e-12))
    return rows


def _towards(normal: torch.Tensor, face: torch.Tensor) -> torch.Tensor:
    """Shading normals on the side of the face normal; those that lean over the horizon give way to it."""
    facing = dot(normal, face)
    normal = normal * torch.where(facing < 0, -1.0, 1.0)
    return torch.where(facing.abs() < 0.1, face, normal)
