"""Mesh as Wavefront OBJ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from mapping.export.atomic import replacing
from mapping.export.glb import WORLD_TO_GLTF
from mapping.surface.mesh import Mesh

_LINES = 100_000


def write_obj(path: Path, mesh: Mesh) -> None:
    """Writes vertices with sRGB colours 0..1 behind the position (as MeshLab, Blender and Open3D read them), normals
    and faces.

    Convention: y up, z towards the viewer (the map's y and z turned over), metres; faces counter-clockwise from
    outside.
    """
    with replacing(path) as part, part.open("w", encoding="ascii") as file:
        file.write("# y up, metres; v x y z r g b\n")
        positions = np.concatenate([mesh.vertices @ WORLD_TO_GLTF.T, mesh.colours / 255], axis=1)
        _write(file, "v %.5f %.5f %.5f %.4f %.4f %.4f\n", positions)
        _write(file, "vn %.4f %.4f %.4f\n", mesh.normals @ WORLD_TO_GLTF.T)
        _write(file, "f %d//%d %d//%d %d//%d\n", np.repeat(mesh.faces + 1, 2, axis=1))


def _write(file: TextIO, line: str, rows: np.ndarray) -> None:
    for part in _parts(rows):
        file.write(line * len(part) % tuple(part.reshape(-1).tolist()))


def _parts(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), _LINES):
        yield rows[start : start + _LINES]
