"""The furniture models used in the room: reads their table and turns each into a soup in the room's axes."""

from __future__ import annotations

import csv
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import surface_textures as surfaces
from obj_model import load_model
from scene import SceneBuilder, Soup, to_linear

from streammtl.data.rooms.furniture.obj_reader import ObjMaterial, ObjModel
from streammtl.data.rooms.furniture.polygons import corner_normals

TABLE = Path(__file__).with_name("furniture.csv")
PACKAGE_FOLDER = "usr/share/sweethome3d/furniture"
# Model axes (x right, y up, front +z) to room axes (z up): the front then looks south, to -y.
ROOM_FROM_MODEL = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
# Metres covered by one repeat of the finish that untextured materials get, and its neutral picture's mean value.
FINISH_REPEAT_M = 0.6
FINISH_MEAN = 0.75


@dataclass(frozen=True)
class CatalogueRow:
    """One used model: label ids are NYU-40, `part_labels` maps material names to their own label."""

    uid: str
    name: str
    label: int
    part_labels: dict[str, int]
    size_m: tuple[float, float, float]
    rotation: np.ndarray | None
    archive: str
    obj_path: str
    finish: str
    licence: str


def read_table(path: Path = TABLE) -> dict[str, CatalogueRow]:
    """Rows by uid. Raises ValueError when a model is not CC0-1.0: only those may be shown in the clip."""
    rows = {}
    with path.open(newline="") as stream:
        for row in csv.DictReader(stream):
            if row["licence"] != "CC0-1.0":
                raise ValueError(f"{row['uid']} is under {row['licence']}; the clip may hold CC0-1.0 models only")
            parts = (item.split("=") for item in row["part_labels"].split(";") if item)
            rotation = np.array(row["model_rotation"].split(), float).reshape(3, 3) if row["model_rotation"] else None
            rows[row["uid"]] = CatalogueRow(
                uid=row["uid"],
                name=row["name"],
                label=int(row["nyu40_id"]),
                part_labels={name: int(label) for name, label in parts},
                size_m=(float(row["width_m"]), float(row["height_m"]), float(row["depth_m"])),
                rotation=rotation,
                archive=row["archive"],
                obj_path=row["obj_path"].lstrip("/"),
                finish=row["finish"],
                licence=row["licence"],
            )
    return rows


def open_archive(row: CatalogueRow, package: Path) -> zipfile.ZipFile:
    """The archive that a model lies in."""
    archive = package / PACKAGE_FOLDER / PurePosixPath(row.archive).name
    if not archive.is_file():
        raise FileNotFoundError(f"{archive} is missing; give the folder into which the .deb was extracted (dpkg -x)")
    return zipfile.ZipFile(archive)


def _finish_texture(builder: SceneBuilder, finish: str) -> str:
    name = f"finish {finish}"
    if not builder.has_texture(name):
        makers = {"leather": lambda: surfaces.leather(512, 61), "fabric": lambda: surfaces.fabric(512, 62)}
        makers["leaf"] = lambda: surfaces.speckle(512, 63, 0.07)
        makers["wood"] = lambda: np.clip(surfaces.sawn_wood(512, 512, (0.8, 0.8, 0.8), 64), 0, 1)
        builder.texture(name, makers.get(finish, lambda: surfaces.speckle(512, 65, 0.02))())
    return name


def _material(builder: SceneBuilder, row: CatalogueRow, name: str, paint: ObjMaterial) -> tuple[int, bool]:
    """Scene material for one OBJ material, and whether it brings its own picture (and so its own uv)."""
    # Only hard or polished finishes mirror the room.
    gloss, roughness = (0.0, 0.05) if row.finish != "leather" else (0.02, 0.15)
    if row.finish == "paint":
        gloss = float(np.clip(0.08 * paint.shine, 0.0, 0.06))
    if paint.texture is not None:
        key = f"{row.uid} {name}"
        if not builder.has_texture(key):
            builder.texture(key, paint.texture)
        return builder.material(key, gloss=gloss, roughness=roughness), True
    linear = to_linear(np.array(paint.colour)) / to_linear(np.array(FINISH_MEAN))
    tint = tuple(float(value) for value in np.maximum(linear, 0.006))
    return builder.material(_finish_texture(builder, row.finish), tint=tint, gloss=gloss, roughness=roughness), False


def _box_projection(model: ObjModel) -> np.ndarray:
    """Texture coordinates from the two axes along which a triangle extends most; one repeat per FINISH_REPEAT_M."""
    cross = np.cross(model.positions[:, 1] - model.positions[:, 0], model.positions[:, 2] - model.positions[:, 0])
    axes = np.array([[2, 1], [0, 2], [0, 1]])[np.abs(cross).argmax(axis=1)]
    return np.take_along_axis(model.positions, axes[:, None, :], axis=2) / FINISH_REPEAT_M


def furniture_soup(builder: SceneBuilder, row: CatalogueRow, package: Path) -> Soup:
    """The model with scene materials and labels: front to -y, base at z = 0, centred on the origin, catalogue size.

    Normals are computed from the surface.
    """
    with open_archive(row, package) as archive:
        model = load_model(archive, row.obj_path, row.size_m, row.rotation)
    paints = [model.materials.get(name, ObjMaterial()) for name in model.names]
    made = [_material(builder, row, name, paint) for name, paint in zip(model.names, paints, strict=True)]
    ids, textured = np.array([m[0] for m in made]), np.array([m[1] for m in made])
    labels = np.array([row.part_labels.get(name, row.label) for name in model.names])
    uvs = np.where(textured[model.material][:, None, None], model.uv, _box_projection(model))
    return {
        "positions": model.positions @ ROOM_FROM_MODEL.T,
        "normals": corner_normals(model.positions) @ ROOM_FROM_MODEL.T,
        "uvs": uvs,
        "material": ids[model.material],
        "label": labels[model.material],
    }
