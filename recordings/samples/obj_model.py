"""Gives a model of the furniture package its catalogue size."""

from __future__ import annotations

import zipfile
from dataclasses import replace

import numpy as np

from streammtl.data.rooms.furniture.obj_reader import ObjMaterial, ObjModel, read_model

# Panes thinner than this in opacity are left out: the renderer knows no glass.
OPAQUE_FROM = 0.6
MAX_TEXTURE_PX = 1024


def load_model(
    archive: zipfile.ZipFile, path: str, size_m: tuple[float, float, float], rotation: np.ndarray | None = None
) -> ObjModel:
    """Loads a model and stretches its bounding box to the catalogue size: x right, y up, front +z, metres, base at
    y = 0, centred in x and z.

    `size_m` is width (x), height (y), depth (z). The unit in the file is ignored: each axis is scaled on its own.
    `rotation` [3,3] is applied first. Nearly transparent faces are dropped.
    """
    model = read_model(archive, path, MAX_TEXTURE_PX)
    corners = model.positions if rotation is None else model.positions @ rotation.T
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    positions = (corners - 0.5 * (low + high)) * np.array(size_m) / np.maximum(high - low, 1e-12)
    positions[..., 1] += 0.5 * size_m[1]
    area = np.linalg.norm(np.cross(positions[:, 1] - positions[:, 0], positions[:, 2] - positions[:, 0]), axis=1)
    opaque = np.array([model.materials.get(name, ObjMaterial()).opacity >= OPAQUE_FROM for name in model.names])
    kept = (area > 1e-12) & opaque[model.material]
    taken = {name: getattr(model, name)[kept] for name in ("uv", "mapped", "material")}
    return replace(model, positions=positions[kept], **taken)
