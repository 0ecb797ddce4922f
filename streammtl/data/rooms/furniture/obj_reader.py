"""Reads textured OBJ models out of an open archive."""

from __future__ import annotations

import io
import posixpath
import zipfile
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError

from streammtl.data.rooms.furniture.polygons import triangulate_all

LARGEST_TEXTURE_PX = 256
# By number of corners: number in the file, material, places of the corners, places of their texture coordinates.
Faces = dict[int, list[tuple[int, int, list[int], list[int]]]]


@dataclass(frozen=True)
class ObjMaterial:
    """`colour` sRGB 0..1, `texture` u8 [h,w,3] or None, `opacity` and `shine` 0..1."""

    colour: tuple[float, float, float] = (0.7, 0.7, 0.7)
    texture: np.ndarray | None = None
    opacity: float = 1.0
    shine: float = 0.0


@dataclass(frozen=True)
class ObjModel:
    """Triangles in the order of the file: positions f64 [m,3,3], uv f64 [m,3,2] (v = 0 is the bottom row), material [m]
    into `names`; `mapped` [m] tells whether the uv are the file's."""

    positions: np.ndarray
    uv: np.ndarray
    mapped: np.ndarray
    material: np.ndarray
    names: list[str]
    materials: dict[str, ObjMaterial]


def read_model(archive: zipfile.ZipFile, path: str, largest_texture_px: int = LARGEST_TEXTURE_PX) -> ObjModel:
    """Parses one OBJ with the MTL and textures beside it; polygons become triangles by ear clipping."""
    vertices: list[list[float]] = []
    uvs: list[list[float]] = [[0.0, 0.0]]
    faces: Faces = {}
    names: dict[str, int] = {}
    libraries, material, count = [], 0, 0
    for line in archive.read(path).decode("utf-8", "replace").splitlines():
        word, _, rest = line.lstrip().partition(" ")
        if word == "v":
            vertices.append([float(value) for value in rest.split()[:3]])
        elif word == "vt":
            uvs.append([float(value) for value in rest.split()[:2]])
        elif word == "f":
            place, paint = _corners(rest, len(vertices), len(uvs) - 1)
            if len(place) >= 3:
                faces.setdefault(len(place), []).append((count, material, place, paint))
                count += 1
        elif word == "usemtl":
            material = names.setdefault(rest.strip(), len(names))
        elif word == "mtllib":
            libraries.append(rest.strip())
    materials: dict[str, ObjMaterial] = {}
    for library in libraries:
        beside = posixpath.join(posixpath.dirname(path), library)
        materials.update(_read_materials(archive, beside, largest_texture_px))
    listed = list(names) or [""]
    return ObjModel(*_soup(np.array(vertices), np.array(uvs), faces), listed, materials)


def _corners(text: str, vertices: int, uvs: int) -> tuple[list[int], list[int]]:
    place, paint = [], []
    for corner in text.split():
        first, _, rest = corner.partition("/")
        index = int(first)
        place.append(index - 1 if index > 0 else vertices + index)
        second = rest.partition("/")[0]
        index = int(second) if second else 0
        # Row 0 of the uv table stands for none.
        paint.append(index if index >= 0 else uvs + index + 1)
    return place, paint


def _soup(vertices: np.ndarray, uvs: np.ndarray, faces: Faces) -> tuple[np.ndarray, ...]:
    number, positions, uv, mapped, material = [], [], [], [], []
    for group in faces.values():
        place = np.array([face[2] for face in group])
        paint = np.array([face[3] for face in group])
        paint = np.where(paint < len(uvs), paint, 0)
        triangles, owner = triangulate_all(vertices, place)
        positions.append(vertices[np.take_along_axis(place[owner], triangles, axis=1)])
        chosen = np.take_along_axis(paint[owner], triangles, axis=1)
        uv.append(uvs[chosen])
        mapped.append((chosen > 0).all(axis=1))
        material.append(np.array([face[1] for face in group])[owner])
        number.append(np.array([face[0] for face in group])[owner])
    order = np.argsort(np.concatenate(number), kind="stable")
    return tuple(np.concatenate(part)[order] for part in (positions, uv, mapped, material))


def _read_materials(archive: zipfile.ZipFile, path: str, largest_px: int) -> dict[str, ObjMaterial]:
    try:
        text = archive.read(path).decode("utf-8", "replace")
    except KeyError:
        return {}
    found: dict[str, dict[str, object]] = {}
    current: dict[str, object] = {}
    for words in (line.split() for line in text.splitlines()):
        if len(words) < 2:
            continue
        if words[0] == "newmtl":
            current = found.setdefault(" ".join(words[1:]), {})
        elif words[0] == "Kd":
            current["colour"] = tuple(float(word) for word in words[1:4])
        elif words[0] == "Ks":
            current["shine"] = float(np.mean([float(word) for word in words[1:4]]))
        elif words[0] == "d":
            current["opacity"] = float(words[-1])
        elif words[0] == "map_Kd":
            picture = posixpath.join(posixpath.dirname(path), words[-1])
            current["texture"] = _read_texture(archive, picture, largest_px)
    return {name: ObjMaterial(**values) for name, values in found.items()}  # type: ignore[arg-type]


def _read_texture(archive: zipfile.ZipFile, path: str, largest_px: int) -> np.ndarray | None:
    """The picture, made small; None when it is missing or damaged, so that the plain colour is used."""
    try:
        with Image.open(io.BytesIO(archive.read(posixpath.normpath(path)))) as image:
            picture = image.convert("RGB")
    except (KeyError, UnidentifiedImageError, OSError):
        return None
    picture.thumbnail((largest_px, largest_px), Image.Resampling.BOX)
    return np.asarray(picture)
