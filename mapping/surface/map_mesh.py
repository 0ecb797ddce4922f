"""The surface of a whole map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mapping.surface.merge import merge_submaps
from mapping.surface.mesh import Mesh, extract_mesh

if TYPE_CHECKING:
    from mapping.store.reader import MapReader


def map_mesh(reader: MapReader, component: int | None = None) -> Mesh:
    """The mesh of a map, or of one component, in the world frame.

    Submaps are merged within a component only: where tracking was lost in between, nothing says how two surfaces lie to
    each other, so they stay apart.
    """
    header = reader.header
    components = sorted({entry.component for entry in header.submaps}) if component is None else [component]
    meshes = []
    for wanted in components:
        numbers = [entry.number for entry in header.submaps if entry.component == wanted]
        submaps = (reader.submap(number) for number in numbers)
        blocks = merge_submaps(submaps, header.voxel_size_m, header.truncation_m)
        meshes.append(extract_mesh(blocks, header.voxel_size_m))
    return join(meshes)


def join(meshes: list[Mesh]) -> Mesh:
    """One mesh of several, side by side."""
    sure = [mesh.label_confidence for mesh in meshes]
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])[:-1]
    return Mesh(
        vertices=np.concatenate([mesh.vertices for mesh in meshes] or [np.zeros((0, 3), np.float32)]),
        faces=np.concatenate(
            [mesh.faces + np.int32(start) for mesh, start in zip(meshes, starts, strict=True)]
            or [np.zeros((0, 3), np.int32)]
        ),
        normals=np.concatenate([mesh.normals for mesh in meshes] or [np.zeros((0, 3), np.float32)]),
        colours=np.concatenate([mesh.colours for mesh in meshes] or [np.zeros((0, 3), np.uint8)]),
        labels=np.concatenate([mesh.labels for mesh in meshes] or [np.zeros(0, np.uint8)]),
        label_confidence=None
        if any(values is None for values in sure)
        else np.concatenate(sure or [np.zeros(0, np.float32)]),
    )
