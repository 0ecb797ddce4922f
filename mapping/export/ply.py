"""Mesh or point cloud as binary PLY."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mapping.export.atomic import replacing
from mapping.surface.mesh import Mesh

_VERTEX = [
    *((name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")),
    *((name, "u1") for name in ("red", "green", "blue", "label")),
]
_FACE = [("count", "u1"), ("vertex_indices", "<i4", 3)]
_NAMES = {"<f4": "float", "u1": "uchar"}


def write_ply(path: Path, mesh: Mesh, points: bool = False) -> None:
    """Writes vertices with normals, colours and label ids, and, unless `points`, the faces.

    Convention: the map's world frame as it is (OpenCV axes: x right, y down, z forward of the first camera; metres
    where the
    map is metric); colours sRGB 0-255; faces counter-clockwise seen from the free side; `label` 0 = none.
    """
    vertices = np.empty(len(mesh.vertices), dtype=_VERTEX)
    for i, axis in enumerate("xyz"):
        vertices[axis] = mesh.vertices[:, i]
        vertices["n" + axis] = mesh.normals[:, i]
    for i, channel in enumerate(("red", "green", "blue")):
        vertices[channel] = mesh.colours[:, i]
    vertices["label"] = mesh.labels
    header = ["ply", "format binary_little_endian 1.0", "comment OpenCV axes: x right, y down, z forward"]
    header += [f"element vertex {len(vertices)}", *(f"property {_NAMES[kind]} {name}" for name, kind in _VERTEX)]
    faces = np.empty(0 if points else len(mesh.faces), dtype=_FACE)
    if not points:
        faces["count"] = 3
        faces["vertex_indices"] = mesh.faces
        header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    with replacing(path) as part, part.open("wb") as file:
        file.write("\n".join([*header, "end_header", ""]).encode("ascii"))
        file.write(vertices.tobytes())
        file.write(faces.tobytes())
