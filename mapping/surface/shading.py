"""How a mesh looks: colours of its vertices by mode, dimmed in corners and under things, lit from above and the eye."""

from __future__ import annotations

import colorsys
from typing import Literal

import numpy as np

from mapping.surface.mesh import Mesh
from mapping.surface.raycast import Hits, MeshRays

Mode = Literal["colour", "label", "normal"]
BACKGROUND = np.full(3, 0.957)
_OCCLUSION_RAYS = 24


def vertex_colours(mesh: Mesh, mode: Mode, palette: np.ndarray | None = None) -> np.ndarray:
    """f32 [N,3] in [0,1]. `palette` u8 [n,3] gives the colour of every label; ids beyond it are grey."""
    if mode == "normal":
        return (0.5 + 0.5 * mesh.normals).astype(np.float32)
    if mode == "label":
        colours = np.full((256, 3), 128, np.uint8)
        given = label_colours() if palette is None else np.asarray(palette)[:256]
        colours[: len(given)] = given
        return colours[mesh.labels].astype(np.float32) / 255
    return mesh.colours.astype(np.float32) / 255


def label_colours() -> np.ndarray:
    """256 colours u8 [256,3] that neighbours in number do not share; 0, no label, is grey."""
    hues = [colorsys.hsv_to_rgb((0.618034 * i) % 1, 0.45 + 0.25 * (i % 3), 0.95 - 0.12 * (i % 4)) for i in range(256)]
    colours = np.round(np.array(hues) * 255).astype(np.uint8)
    colours[0] = 200
    return colours


def openness(mesh: Mesh, radius: float) -> np.ndarray:
    """How much of the half space over each vertex is free within `radius`, f32 [N] in [0,1]: ambient occlusion."""
    n = len(mesh.vertices)
    if not n:
        return np.ones(0, np.float32)
    rng = np.random.default_rng(0)
    tangent = np.cross(mesh.normals, np.where(np.abs(mesh.normals[:, :1]) < 0.8, (1.0, 0, 0), (0, 1.0, 0)))
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    bitangent = np.cross(mesh.normals, tangent)
    turn = rng.random(n) * 2 * np.pi
    origins = mesh.vertices + 0.03 * radius * mesh.normals
    rays, free = MeshRays(mesh), np.zeros(n, np.float32)
    for i in range(_OCCLUSION_RAYS):
        # cosine-weighted directions on a spiral, turned at random at each vertex
        sine = np.sqrt((i + 0.5) / _OCCLUSION_RAYS)
        angle = turn + i * np.pi * (3 - np.sqrt(5))
        around = np.cos(angle)[:, None] * tangent + np.sin(angle)[:, None] * bitangent
        free += ~rays.blocked(origins, sine * around + np.sqrt(1 - sine**2) * mesh.normals, radius)
    return smoothed(mesh, free / _OCCLUSION_RAYS)


def smoothed(mesh: Mesh, values: np.ndarray) -> np.ndarray:
    """The mean of values [N] over the triangles around each vertex."""
    of_faces = values[mesh.faces].mean(1)
    total = sum(np.bincount(mesh.faces[:, i], of_faces, len(values)) for i in range(3))
    count = sum(np.bincount(mesh.faces[:, i], minlength=len(values)) for i in range(3))
    return (total / np.maximum(count, 1)).astype(np.float32)


def shade(mesh: Mesh, hits: Hits, colours: np.ndarray, light: np.ndarray, towards_eye: np.ndarray) -> np.ndarray:
    """Colours f32 [N,3] of rays that met the mesh at `hits`, background elsewhere.

    `colours` f32 [V,3], occlusion included; `light` unit [3] towards the light; `towards_eye` unit [N,3] or [3].
    """
    met = hits.face >= 0
    corners, weights = mesh.faces[hits.face[met]], hits.weights[met][..., None]
    colour = (colours[corners] * weights).sum(1)
    normal = (mesh.normals[corners] * weights).sum(1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    eye = np.broadcast_to(towards_eye, (len(met), 3))[met]
    lit = 0.62 + 0.25 * np.maximum((normal * eye).sum(1), 0) + 0.18 * (0.5 + 0.5 * normal @ light)
    image = np.tile(BACKGROUND.astype(np.float32), (len(met), 1))
    image[met] = np.minimum(colour * lit[:, None], 1)
    return image
