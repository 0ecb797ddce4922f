"""Turns a model of the furniture package into one small file in the frame of pieces."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.furniture.obj_reader import ObjMaterial, ObjModel, read_model
from streammtl.data.rooms.furniture.polygons import corner_normals, merge_tiny
from streammtl.data.rooms.furniture.table import Row, rotation_matrix
from streammtl.errors import DataError

# Panes clearer than this are left out, as a depth camera sees through them; not so where they carry things.
OPAQUE_FROM = 0.6
CARRIES = (Label.TABLE, Label.DESK, Label.SHELVES)
# Triangles kept: small things are seen from afar, large ones from near by.
SMALL_M, MOST_SMALL, MOST_LARGE = 0.5, 2_500, 10_000


def convert(archive: zipfile.ZipFile, row: Row, file: Path) -> int:
    """Writes one model as `.npz` (no pickle) and returns its number of triangles.

    corners f32 [m,3,3] metres in the piece frame (x to the left of someone looking at the front, front to +y, z up,
    back at y = 0, base at z = 0); normals i8 [m,3,3] times 127; uv f32 [m,3,2], in metres where `textured` is False;
    material i16 [m]; label u8 [m]; colour f32 [k,3] sRGB; textured bool [k]; shine f32 [k]; texture_<k> u8 [h,w,3].

    Raises: DataError for a model that has no surface.
    """
    model = read_model(archive, row.obj_path)
    chosen = [model.materials.get(name, ObjMaterial()) for name in model.names]
    positions = _sized(model, row)
    area = np.linalg.norm(np.cross(positions[:, 1] - positions[:, 0], positions[:, 2] - positions[:, 0]), axis=1)
    clear = np.array([m.opacity < OPAQUE_FROM for m in chosen])
    keep = (area > 1e-12) & (~clear[model.material] | (row.label in CARRIES))
    if not keep.any():
        raise DataError(f"model {row.uid} has no surface; leave it out.")
    normals = corner_normals(positions[keep])
    most = MOST_SMALL if max(row.size_m) < SMALL_M else MOST_LARGE
    corners, rest = merge_tiny(positions[keep], most)
    kept = np.flatnonzero(keep)[rest]
    textured = np.array([m.texture is not None for m in chosen])
    mapped = textured[model.material[kept]] & model.mapped[kept]
    labels = np.array([dict(row.part_labels).get(name, row.label) for name in model.names], np.uint8)
    partial = file.with_suffix(".partial.npz")
    np.savez(
        partial,
        corners=corners.astype(np.float32),
        normals=np.round(127 * normals[rest]).astype(np.int8),
        uv=np.where(mapped[:, None, None], model.uv[kept], _box_mapping(corners)).astype(np.float32),
        material=model.material[kept].astype(np.int16),
        label=labels[model.material[kept]],
        colour=np.array([m.colour for m in chosen], np.float32),
        textured=textured,
        shine=np.array([m.shine for m in chosen], np.float32),
        **{f"texture_{k}": m.texture for k, m in enumerate(chosen) if m.texture is not None},
    )
    partial.replace(file)
    return len(corners)


def _sized(model: ObjModel, row: Row) -> np.ndarray:
    """Corners [m,3,3] with the catalogue's size imposed on each axis, in the piece frame."""
    turned = model.positions @ rotation_matrix(row).T
    low, high = turned.min(axis=(0, 1)), turned.max(axis=(0, 1))
    width, depth, height = row.size_m
    scaled = (turned - low) / np.maximum(high - low, 1e-12) * np.array([width, height, depth])
    x, y, z = np.moveaxis(scaled, -1, 0)
    # The file has x to the right, y up, the front at +z.
    return np.stack([width / 2 - x, z, y], axis=-1)


def _box_mapping(corners: np.ndarray) -> np.ndarray:
    """uv [m,3,2] in metres, looking along the axis each triangle faces most."""
    normal = np.abs(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    axis = normal.argmax(axis=1)
    pairs = np.array([(1, 2), (0, 2), (0, 1)])[axis]
    return np.take_along_axis(corners, pairs[:, None, :].repeat(3, axis=1), axis=2)
