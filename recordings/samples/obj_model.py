"""Reads one textured OBJ model of the furniture package and gives it its catalogue size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streammtl.data.rooms.furniture.polygons import corner_normals, triangulate

# Panes thinner than this in opacity are left out: the renderer knows no glass.
OPAQUE_FROM = 0.6


@dataclass(frozen=True)
class ObjMaterial:
    """Colour of one material: `colour` is sRGB 0..1, `texture` a picture or None, `opacity` 0..1, `shine` 0..1."""

    colour: tuple[float, float, float] = (0.7, 0.7, 0.7)
    texture: Path | None = None
    opacity: float = 1.0
    shine: float = 0.0


@dataclass(frozen=True)
class ObjModel:
    """Triangles of a model in its own frame: x right, y up, front +z, metres, base at y = 0, centred in x and z.

    Shapes: positions and normals [m,3,3], uvs [m,3,2] (v = 0 is the bottom row), material [m] indexes `names`.
    """

    positions: np.ndarray
    normals: np.ndarray
    uvs: np.ndarray
    material: np.ndarray
    names: list[str]
    materials: dict[str, ObjMaterial]


def read_materials(path: Path) -> dict[str, ObjMaterial]:
    """All materials of an MTL file; a colour map that is missing on disk falls back to the plain colour."""
    found: dict[str, dict[str, object]] = {}
    current: dict[str, object] = {}
    for words in (line.split() for line in path.read_text(errors="replace").splitlines()):
        if len(words) < 2:
            continue
        if words[0] == "newmtl":
            current = found.setdefault(words[1], {})
        elif words[0] == "Kd":
            current["colour"] = tuple(float(word) for word in words[1:4])
        elif words[0] == "Ks":
            current["shine"] = float(np.mean([float(word) for word in words[1:4]]))
        elif words[0] == "d":
            current["opacity"] = float(words[-1])
        elif words[0] == "map_Kd" and (path.parent / words[-1]).is_file():
            current["texture"] = path.parent / words[-1]
    return {name: ObjMaterial(**values) for name, values in found.items()}  # type: ignore[arg-type]


@dataclass
class _ObjText:
    vertices: np.ndarray
    uvs: np.ndarray
    faces: list[tuple[str, list[int], list[int]]]
    libraries: list[str]


def _parse(path: Path) -> _ObjText:
    vertices: list[list[float]] = []
    uvs: list[list[float]] = []
    faces: list[tuple[str, list[int], list[int]]] = []
    libraries, material = [], ""
    for line in path.read_text(errors="replace").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "v":
            vertices.append([float(value) for value in rest.split()[:3]])
        elif word == "vt":
            uvs.append([float(value) for value in rest.split()[:2]])
        elif word == "usemtl":
            material = rest.strip()
        elif word == "mtllib":
            libraries.append(rest.strip())
        elif word == "f":
            corners = [corner.split("/") for corner in rest.split()]
            place = [int(c[0]) - 1 if int(c[0]) > 0 else len(vertices) + int(c[0]) for c in corners]
            paint = [int(c[1]) - 1 if len(c) > 1 and c[1] else -1 for c in corners]
            faces.append((material, place, paint))
    return _ObjText(np.array(vertices), np.array([*uvs, [0.0, 0.0]]), faces, libraries)


def _triangles(text: _ObjText) -> Iterator[tuple[str, list[int], list[int]]]:
    for material, place, paint in text.faces:
        if len(place) < 3:
            continue
        for triple in triangulate(text.vertices[place]):
            yield material, [place[i] for i in triple], [paint[i] for i in triple]


def load_model(path: Path, size_m: tuple[float, float, float], rotation: np.ndarray | None = None) -> ObjModel:
    """Loads an OBJ file with its materials and stretches its bounding box to the catalogue size.

    `size_m` is width (x), height (y), depth (z). The unit in the file is ignored: each axis is scaled on its own.
    `rotation` [3,3] is applied first. Nearly transparent faces are dropped. Normals are computed from the surface.
    """
    text = _parse(path)
    materials: dict[str, ObjMaterial] = {}
    for library in text.libraries:
        materials.update(read_materials(path.parent / library))
    triangles = list(_triangles(text))
    place = np.array([triangle[1] for triangle in triangles])
    vertices = text.vertices if rotation is None else text.vertices @ rotation.T
    low, high = vertices[place].min(axis=(0, 1)), vertices[place].max(axis=(0, 1))
    scaled = (vertices - 0.5 * (low + high)) * np.array(size_m) / np.maximum(high - low, 1e-12)
    scaled[:, 1] += 0.5 * size_m[1]
    names = sorted({triangle[0] for triangle in triangles})
    index = {name: i for i, name in enumerate(names)}
    material = np.array([index[triangle[0]] for triangle in triangles])
    positions, uvs = scaled[place], text.uvs[np.array([triangle[2] for triangle in triangles])]
    area = np.linalg.norm(np.cross(positions[:, 1] - positions[:, 0], positions[:, 2] - positions[:, 0]), axis=1)
    opaque = np.array([materials.get(name, ObjMaterial()).opacity >= OPAQUE_FROM for name in names])
    keep = (area > 1e-12) & opaque[material]
    positions = positions[keep]
    return ObjModel(positions, corner_normals(positions), uvs[keep], material[keep], names, materials)
