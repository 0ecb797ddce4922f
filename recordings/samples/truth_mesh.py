"""The ground-truth mesh: every part of the room, simplified as far as its surface stays in place."""

from __future__ import annotations

import logging
from pathlib import Path

import fittings
import numpy as np
import open3d as o3d
from scene import Part

Array = np.ndarray
log = logging.getLogger(__name__)

TOLERANCE_M = 0.004
SHARES = (0.04, 0.08, 0.15, 0.25, 0.4, 0.6)
SMALLEST_PART = 200


def _indexed(positions: Array) -> tuple[Array, Array]:
    """Merges equal corners (0.1 mm) of a soup [m,3,3]: vertices [v,3], triangles [t,3] without degenerate ones."""
    _, first, index = np.unique(
        np.round(positions.reshape(-1, 3) * 1e4).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    triangles = index.reshape(-1, 3)
    proper = (np.diff(np.sort(triangles, axis=1), axis=1) > 0).all(axis=1)
    return positions.reshape(-1, 3)[first], triangles[proper]


def _distance(points: Array, vertices: Array, triangles: Array) -> float:
    """Largest distance of points [n,3] from a surface, metres; the farthest 0.1 % of the points do not count."""
    caster = o3d.t.geometry.RaycastingScene()
    caster.add_triangles(o3d.core.Tensor(vertices.astype(np.float32)), o3d.core.Tensor(triangles.astype(np.uint32)))
    return float(np.quantile(caster.compute_distance(o3d.core.Tensor(points.astype(np.float32))).numpy(), 0.999))


def _samples(vertices: Array, triangles: Array, count: int, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    corners = vertices[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = corners[rng.choice(len(corners), count, p=area / area.sum())]
    weights = rng.dirichlet((1.0, 1.0, 1.0), count)
    return np.einsum("nk,nkc->nc", weights, chosen)


def simplified(positions: Array) -> tuple[Array, Array]:
    """Fewest triangles among a few shares whose surface stays within TOLERANCE_M of the original, both ways."""
    vertices, triangles = _indexed(positions)
    if len(triangles) < SMALLEST_PART:
        return vertices, triangles
    mesh = o3d.geometry.TriangleMesh(o3d.utility.Vector3dVector(vertices), o3d.utility.Vector3iVector(triangles))
    probe = _samples(vertices, triangles, 20_000, 1)
    for share in SHARES:
        small = mesh.simplify_quadric_decimation(max(40, int(share * len(triangles))))
        small_vertices, small_triangles = np.asarray(small.vertices), np.asarray(small.triangles)
        if len(small_triangles) == 0 or _distance(probe, small_vertices, small_triangles) > TOLERANCE_M:
            continue
        if _distance(_samples(small_vertices, small_triangles, 20_000, 2), vertices, triangles) <= TOLERANCE_M:
            used, index = np.unique(small_triangles, return_inverse=True)
            return small_vertices[used], index.reshape(-1, 3)
    return vertices, triangles


def room_mesh(parts: list[Part]) -> tuple[Array, Array, Array]:
    """Vertices [v,3] metres (world), triangles [t,3], NYU-40 label [v] of all parts that can be seen."""
    vertices, triangles, labels, offset = [], [], [], 0
    for part in parts:
        if part.name == fittings.UNSEEN_PANE:
            continue
        before = len(part.soup["positions"])
        for label in np.unique(part.soup["label"]):
            points, faces = simplified(part.soup["positions"][part.soup["label"] == label])
            vertices.append(points)
            triangles.append(faces + offset)
            labels.append(np.full(len(points), label))
            offset += len(points)
            log.info("mesh: %s, label %d: %d -> %d triangles", part.name, label, before, len(faces))
    return np.concatenate(vertices), np.concatenate(triangles), np.concatenate(labels)


def write_ply(path: Path, vertices: Array, triangles: Array, labels: Array) -> None:
    """Binary PLY with the properties x, y, z (float, metres) and label (uchar, NYU-40 id)."""
    points = np.zeros(len(vertices), [("xyz", "<f4", 3), ("label", "u1")])
    points["xyz"], points["label"] = vertices, labels
    faces = np.zeros(len(triangles), [("count", "u1"), ("index", "<i4", 3)])
    faces["count"], faces["index"] = 3, triangles
    header = "\n".join(
        [
            "ply",
            "format binary_little_endian 1.0",
            f"element vertex {len(vertices)}",
            *(f"property float {axis}" for axis in "xyz"),
            "property uchar label",
            f"element face {len(triangles)}",
            "property list uchar int vertex_indices",
            "end_header\n",
        ]
    )
    path.write_bytes(header.encode("ascii") + points.tobytes() + faces.tobytes())
