"""What changed between two maps of one place: surface that appeared, disappeared or moved.

A surface has disappeared only where the other map saw free space in its place, by its voxels or through the depth of
its keyframes; what the other map never looked at is unknown, not changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mapping.difference_regions import Region, match_moved, regions_of
from mapping.fusion.observation import check_rigid
from mapping.query.volume import Volume
from mapping.store.reader import MapReader, open_map
from mapping.surface.map_mesh import map_mesh
from mapping.surface.mesh import Mesh
from streammtl.camera import Camera
from streammtl.errors import StoreError

MARGIN_VOXELS = 3.0  # a surface within that is the same
DEPTH_MARGIN = 0.02  # of the distance, what a depth may be off
SEEN_THROUGH = 2  # keyframes that must see through a point, and twice as many as see a surface there
LEAST_AREA_M2 = 0.01  # smaller regions are noise

SAME, FREE, UNKNOWN = 0, 1, 2


@dataclass(frozen=True)
class Difference:
    """Regions that changed, in the world of the first map, and how much surface they are, m²."""

    regions: tuple[Region, ...]
    area_m2: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        return {"area_m2": self.area_m2, "regions": [region.as_dict() for region in self.regions]}


def difference(a: Path | str, b: Path | str, T_a_b: np.ndarray | None = None) -> Difference:
    """Compares the first components of two maps. T_a_b f64 [4,4], rigid, takes points of b's world to a's.

    Raises: StoreError for maps whose units cannot be compared, and for damaged ones; GeometryError for a transform that
    is not rigid.
    """
    one, two = open_map(a), open_map(b)
    if one.header.scale.status != two.header.scale.status:
        raise StoreError(
            f"{a} is {one.header.scale.status}, {b} {two.header.scale.status}; lengths in them cannot be compared."
        )
    T = np.eye(4) if T_a_b is None else np.asarray(T_a_b, np.float64)
    check_rigid(T, "T_a_b")
    margin = MARGIN_VOXELS * max(one.header.voxel_size_m, two.header.voxel_size_m)
    mesh_a, mesh_b = _mesh(one), _mesh(two)
    in_b, in_a = _moved(mesh_a.vertices, np.linalg.inv(T)), _moved(mesh_b.vertices, T)
    gone, new = _states(in_b, two, margin), _states(in_a, one, margin)
    names = _label_names(one)
    lost = regions_of("disappeared", mesh_a.vertices, _areas(mesh_a), mesh_a.labels, gone == FREE, margin, names)
    found = regions_of("appeared", in_a, _areas(mesh_b), mesh_b.labels, new == FREE, margin, names)
    lost, found = ([r for r in regions if r.area_m2 >= LEAST_AREA_M2] for regions in (lost, found))
    regions = match_moved(lost, found, margin)
    area = {f"a_{name}": _sum(mesh_a, gone == state) for name, state in _NAMES.items()}
    area |= {f"b_{name}": _sum(mesh_b, new == state) for name, state in _NAMES.items()}
    for kind in ("appeared", "disappeared", "moved"):
        area[kind] = round(sum(region.area_m2 for region in regions if region.kind == kind), 4)
    return Difference(tuple(sorted(regions, key=lambda region: -region.area_m2)), area)


_NAMES = {"unchanged": SAME, "changed": FREE, "not_seen_by_the_other": UNKNOWN}


def _mesh(reader: MapReader) -> Mesh:
    components = [entry.component for entry in reader.header.submaps]
    return map_mesh(reader, min(components, default=0))


def _moved(points: np.ndarray, T: np.ndarray) -> np.ndarray:
    return points @ T[:3, :3].T + T[:3, 3]


def _states(points: np.ndarray, other: MapReader, margin: float) -> np.ndarray:
    """What `other` knows at points f64 [N,3] of its own world: SAME, FREE or UNKNOWN, i64 [N]."""
    states = np.full(len(points), UNKNOWN)
    if not other.header.submaps or not len(points):
        return states
    distance = Volume(other, min(entry.component for entry in other.header.submaps)).tsdf_m(points)
    known = np.isfinite(distance)
    states[known & (np.abs(distance) <= margin)] = SAME
    states[known & (distance > margin)] = FREE
    open_points = np.flatnonzero(~known)
    states[open_points] = _by_keyframes(points[open_points], other, margin)
    return states


def _by_keyframes(points: np.ndarray, reader: MapReader, margin: float) -> np.ndarray:
    """The same from the depth of the keyframes, for points where no voxel is."""
    through, surface = np.zeros(len(points), np.int64), np.zeros(len(points), np.int64)
    component = min(entry.component for entry in reader.header.submaps)
    anchors = {entry.number: entry.anchor for entry in reader.header.submaps if entry.component == component}
    for i, number in enumerate(reader.keyframe_submaps().tolist() if len(points) else []):
        if number not in anchors:
            continue
        seen, excess = _excess(points, reader, i, anchors[number])
        near = margin + DEPTH_MARGIN * np.abs(excess[1])
        through[seen] += excess[0] > near
        surface[seen] += np.abs(excess[0]) <= near
    free = (through >= SEEN_THROUGH) & (through > 2 * surface)
    return np.where(free, FREE, np.where(surface > through, SAME, UNKNOWN))


def _excess(
    points: np.ndarray, reader: MapReader, i: int, anchor: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Places i64 [n] of the points that keyframe i measures; how far its depth there lies behind theirs; theirs."""
    column = {name: array[0] for name, array in reader.keyframe_columns(i, i + 1, _MEASURED_WITH).items()}
    depth, K, (height, width) = column["depth_m"].astype(np.float64), column["K"], column["image_size"]
    camera = Camera.pinhole(int(width), int(height), K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    camera = camera.scaled(depth.shape[1], depth.shape[0])
    local = _moved(points, np.linalg.inv(anchor @ column["T_submap_cam"]))
    ahead = np.flatnonzero(local[:, 2] > 1e-3)
    x, y, z = local[ahead].T
    u, v = np.rint(camera.fx * x / z + camera.cx), np.rint(camera.fy * y / z + camera.cy)
    inside = (u >= 0) & (v >= 0) & (u < depth.shape[1]) & (v < depth.shape[0])
    ahead, z = ahead[inside], z[inside]
    measured = depth[v[inside].astype(np.int64), u[inside].astype(np.int64)]
    there = measured > 0
    return ahead[there], (measured[there] - z[there], z[there])


_MEASURED_WITH = ("depth_m", "K", "image_size", "T_submap_cam")


def _areas(mesh: Mesh) -> np.ndarray:
    """f64 [N] the surface around each vertex: a third of its triangles."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    faces = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    return np.bincount(mesh.faces.ravel(), np.repeat(faces / 3, 3), minlength=len(mesh.vertices))


def _sum(mesh: Mesh, chosen: np.ndarray) -> float:
    return round(float(_areas(mesh)[chosen].sum()), 4)


def _label_names(reader: MapReader) -> dict[int, str]:
    space = reader.header.label_space
    return dict(zip(space.ids, space.names, strict=True)) if space else {}
