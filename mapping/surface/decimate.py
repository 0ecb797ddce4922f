"""Fewer triangles for nearly the same surface."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from mapping.surface.marching import vertex_normals
from mapping.surface.mesh import Mesh
from mapping.surface.raycast import open3d
from streammtl.errors import ConfigError


def decimated(mesh: Mesh, faces: int) -> Mesh:
    """The mesh with about `faces` triangles, by quadric error (Garland and Heckbert 1997, Open3D's).

    Colours and labels are those of the nearest vertex before. Raises: ConfigError for less than one face.
    """
    if faces < 1:
        raise ConfigError(f"a mesh of {faces} faces was asked for; it takes at least 1.")
    if len(mesh.faces) <= faces:
        return mesh
    o3d = open3d()
    shape = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(mesh.vertices.astype(np.float64)), o3d.utility.Vector3iVector(mesh.faces)
    )
    small = shape.simplify_quadric_decimation(faces)
    vertices = np.asarray(small.vertices).astype(np.float32)
    triangles = np.ascontiguousarray(np.asarray(small.triangles), np.int32)
    normals = np.zeros_like(vertices)
    vertex_normals(vertices, triangles, normals)
    _, nearest = cKDTree(mesh.vertices).query(vertices)
    return replace(
        mesh,
        vertices=vertices,
        faces=triangles,
        normals=normals,
        colours=mesh.colours[nearest],
        labels=mesh.labels[nearest],
        label_confidence=None if mesh.label_confidence is None else mesh.label_confidence[nearest],
    )
