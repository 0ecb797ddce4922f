"""Things in a map: connected pieces of surface of one class, with boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from mapping.fusion.block_index import BlockIndex, unique_blocks
from mapping.scene.floor_grid import vertex_areas
from mapping.scene.settings import SceneSettings
from mapping.store.header import LabelSpaceRecord
from mapping.surface.mesh import Mesh
from streammtl.errors import LabelError

# What fills a scene or bounds it, in the words of common label spaces; everything else can be counted.
UNCOUNTABLE = frozenset(
    {"void", "unlabelled", "unlabeled", "wall", "floor", "ceiling", "otherstructure", "other structure"}
    | {"road", "sidewalk", "building", "fence", "vegetation", "terrain", "sky"}
)
_WITHIN = (0.5, 99.5)  # percentiles of an object's points that its box spans: stray points stay out
_ANGLES = 90
_POINTS = 4000  # that decide on an object's box
_HALF_NEIGHBOURS = [(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if (x, y, z) > (0, 0, 0)]


@dataclass(frozen=True)
class MapObject:
    """One thing. Its box stands upright: the z axis of T_world_box points up."""

    id: int
    class_id: int
    class_name: str
    confidence: float  # mean share of the evidence that speaks for the class, 0..1
    centroid: np.ndarray  # f64 [3] world, weighted by area
    T_world_box: np.ndarray  # f64 [4,4] from the middle of the box
    extent_m: np.ndarray  # f64 [3] along the axes of the box
    area_m2: float  # of its surface as seen
    vertices: np.ndarray  # i64 [n] of the mesh it was found in

    def distance_m(self, point: np.ndarray) -> float:
        """From a point [3] of the world to the box; 0 inside."""
        local = (np.asarray(point) - self.T_world_box[:3, 3]) @ self.T_world_box[:3, :3]
        return float(np.linalg.norm(np.maximum(np.abs(local) - self.extent_m / 2, 0)))

    def corners(self) -> np.ndarray:
        """The lower four corners of the box, then the upper four, each in turn around, f64 [8,3]."""
        signs = np.array([(x, y, z) for z in (-1, 1) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
        return (signs * self.extent_m / 2) @ self.T_world_box[:3, :3].T + self.T_world_box[:3, 3]

    def as_dict(self) -> dict[str, Any]:
        """Plain data: lengths in metres, points in the map's world."""
        return {
            "id": self.id,
            "class": self.class_name,
            "class_id": self.class_id,
            "confidence": round(self.confidence, 4),
            "centroid": self.centroid.round(4).tolist(),
            "box": {
                "centre": self.T_world_box[:3, 3].round(4).tolist(),
                "extent": self.extent_m.round(4).tolist(),
                "rotation": self.T_world_box[:3, :3].round(6).tolist(),
            },
            "area_m2": round(self.area_m2, 4),
        }


def find_objects(
    mesh: Mesh, T_world_floor: np.ndarray, label_space: LabelSpaceRecord, settings: SceneSettings, voxel_size_m: float
) -> list[MapObject]:
    """The things of countable classes, by falling area within rising class; ids count from 0.

    Patches of one class are one object where less than about `gap_m`, or two voxels, lies between them. T_world_floor
    says what is up.
    """
    gap = max(settings.gap_m, 2 * voxel_size_m)
    names = dict(zip(label_space.ids, label_space.names, strict=True))
    areas, found = vertex_areas(mesh), []
    for class_id in np.unique(mesh.labels).tolist():
        name = names.get(class_id, f"class {class_id}")
        if class_id == 0 or name.lower() in UNCOUNTABLE:
            continue
        members = np.flatnonzero(mesh.labels == class_id)
        piece = _pieces(mesh.vertices[members], gap)
        area = np.bincount(piece, areas[members])
        for i in np.argsort(-area, kind="stable"):
            if area[i] >= settings.min_object_area_m2:
                own = members[piece == i]
                found.append(_object(len(found), class_id, name, own, mesh, areas[own], T_world_floor[:3, :3]))
    return found


def nearest_object(objects: Sequence[MapObject], point: np.ndarray, class_name: str) -> MapObject:
    """The object of a class whose box is nearest to a point [3] of the world.

    Raises: LabelError when there is no object of that class, with the classes there are.
    """
    of_class = [thing for thing in objects if thing.class_name == class_name]
    if not of_class:
        known = ", ".join(sorted({thing.class_name for thing in objects})) or "none"
        raise LabelError(f"there is no {class_name!r} among the objects; there are: {known}.")
    return min(of_class, key=lambda thing: thing.distance_m(point))


def _pieces(points: np.ndarray, gap: float) -> np.ndarray:
    """Number i32 [N] of the connected piece that each point belongs to, where cells of side `gap` touch."""
    cell = np.floor(points / gap).astype(np.int32)
    cells = unique_blocks(cell)
    index = BlockIndex()
    index.add(cells)
    pairs = [np.zeros((0, 2), np.int64)]
    for step in _HALF_NEIGHBOURS:
        other = index.find(cells + np.array(step, np.int32))
        here = np.flatnonzero(other >= 0)
        pairs.append(np.stack([here, other[here]], -1))
    a, b = np.concatenate(pairs).T
    links = coo_matrix((np.ones(len(a), bool), (a, b)), shape=(len(cells), len(cells)))
    return connected_components(links, directed=False)[1][index.find(cell)]


def _object(
    number: int, class_id: int, name: str, own: np.ndarray, mesh: Mesh, areas: np.ndarray, R: np.ndarray
) -> MapObject:
    points = mesh.vertices[own].astype(np.float64)
    confidence = mesh.label_confidence
    T, extent = _upright_box(points[:: max(1, len(points) // _POINTS)], R)
    return MapObject(
        id=number,
        class_id=class_id,
        class_name=name,
        confidence=1.0 if confidence is None else float(np.average(confidence[own], weights=areas)),
        centroid=np.average(points, axis=0, weights=areas),
        T_world_box=T,
        extent_m=extent,
        area_m2=float(areas.sum()),
        vertices=own,
    )


def _upright_box(points: np.ndarray, R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """T_world_box and extents of the box of least floor area around points [N,3]; R's columns are x, y and up."""
    local = points @ R
    angles = np.deg2rad(np.arange(_ANGLES) * 90 / _ANGLES)
    turned = np.cos(angles)[:, None] * local[:, 0] + np.sin(angles)[:, None] * local[:, 1]
    across = -np.sin(angles)[:, None] * local[:, 0] + np.cos(angles)[:, None] * local[:, 1]
    spans = [np.diff(np.percentile(side, _WITHIN, axis=1), axis=0)[0] for side in (turned, across)]
    # nearly the same area: rather along the walls
    best = int(np.argmin((spans[0] + 0.01) * (spans[1] + 0.01) * (1 + 0.05 * (angles > 0))))
    c, s = np.cos(angles[best]), np.sin(angles[best])
    axes = R @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    low, high = np.percentile(points @ axes, _WITHIN, axis=0)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = axes, axes @ (low + high) / 2
    return T, high - low
