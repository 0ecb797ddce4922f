"""All that is read out of one map, from its surface up to its rooms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mapping.records import KeyframeRecord
from mapping.scene.floor_frame import floor_frame
from mapping.scene.floor_grid import FloorGrid, floor_grid
from mapping.scene.objects import MapObject, find_objects
from mapping.scene.places import Place, find_places
from mapping.scene.rooms import Room, find_rooms
from mapping.scene.settings import SceneSettings
from mapping.store.header import LabelSpaceRecord
from mapping.store.reader import MapReader
from mapping.surface.map_mesh import map_mesh
from mapping.surface.mesh import Mesh
from streammtl.errors import MapError

_NEAR_M, _SAME_DIRECTION = 0.15, 0.97
WALLS = frozenset(("wall", "window", "door", "blinds", "curtain"))


@dataclass(frozen=True)
class Scene:
    """A map in words and shapes; the largest component of it where tracking left several."""

    mesh: Mesh
    T_world_cam: np.ndarray  # f64 [N,4,4] the poses, all finite
    grid: FloorGrid
    objects: list[MapObject]  # none where the map has no labels
    rooms: list[Room]
    room_of_cell: np.ndarray  # i32 [h,w] on the grid; -1 = none
    places: list[Place]
    ways: list[tuple[int, int]]  # pairs of places
    label_space: LabelSpaceRecord | None
    metric: bool

    def room_at(self, point: np.ndarray) -> int | None:
        """The room above whose floor a point [3] of the world lies, or the nearest one; None without rooms."""
        if not self.rooms:
            return None
        row, column = self.grid.cells(np.asarray(point)[None])[0]
        h, w = self.room_of_cell.shape
        if 0 <= row < h and 0 <= column < w and self.room_of_cell[row, column] >= 0:
            return int(self.room_of_cell[row, column])
        cells = np.argwhere(self.room_of_cell >= 0)
        nearest = cells[np.argmin(((cells - (row, column)) ** 2).sum(1))]
        return int(self.room_of_cell[tuple(nearest)])


def read_scene(reader: MapReader, settings: SceneSettings | None = None) -> Scene:
    """Reads the surface, the poses and the keyframes' depth of a map. Raises: MapError where there is no surface."""
    settings = settings or SceneSettings()
    header = reader.header
    component = _largest(reader)
    mesh = map_mesh(reader, component)
    if not len(mesh.faces):
        raise MapError(
            "the map has no surface to read a scene from: nothing was fused into it, or all of it too faintly."
        )
    trajectory = reader.trajectory()
    poses = trajectory.T_world_cam[trajectory.posed & (trajectory.component == component)]
    names = (
        {} if header.label_space is None else dict(zip(header.label_space.ids, header.label_space.names, strict=True))
    )
    floor = next((i for i, name in names.items() if name.lower() == "floor"), None)
    walls = tuple(i for i, name in names.items() if name.lower() in WALLS)
    T_world_floor = floor_frame(mesh, poses, floor)
    grid = floor_grid(mesh, T_world_floor, _keyframes(reader, component), settings, walls)
    objects = _objects(mesh, T_world_floor, reader, settings)
    rooms, room_of_cell = find_rooms(grid, settings)
    places, ways = find_places(grid, settings)
    metric = header.scale.status == "metric"
    return Scene(mesh, poses, grid, objects, rooms, room_of_cell, places, ways, header.label_space, metric)


def _objects(mesh: Mesh, T_world_floor: np.ndarray, reader: MapReader, settings: SceneSettings) -> list[MapObject]:
    header = reader.header
    if header.label_space is None:
        return []
    return find_objects(mesh, T_world_floor, header.label_space, settings, header.voxel_size_m)


def _largest(reader: MapReader) -> int:
    blocks: dict[int, int] = {}
    for entry in reader.header.submaps:
        blocks[entry.component] = blocks.get(entry.component, 0) + entry.blocks
    return max(blocks, key=lambda component: blocks[component], default=0)


def _keyframes(reader: MapReader, component: int) -> Iterator[tuple[np.ndarray, KeyframeRecord]]:
    """Pose in the world and record of the keyframes of a component, leaving out those that look as the one before."""
    anchors = {entry.number: entry.anchor for entry in reader.header.submaps if entry.component == component}
    trajectory = reader.trajectory()
    place_of = {frame: place for place, frame in enumerate(trajectory.frame.tolist())}
    last = None
    for i, (submap, frame) in enumerate(
        zip(reader.keyframe_submaps().tolist(), reader.keyframe_frames().tolist(), strict=True)
    ):
        T = trajectory.T_world_cam[place_of[frame]] if frame in place_of else np.full((4, 4), np.nan)
        if submap in anchors and (last is None or not _alike(last, T)):
            keyframe = reader.keyframe(i)
            last = anchors[submap] @ keyframe.T_submap_cam
            yield last, keyframe


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two poses are near in place and direction; never true for a pose that is not known."""
    return bool(np.linalg.norm(a[:3, 3] - b[:3, 3]) < _NEAR_M and a[:3, 2] @ b[:3, 2] > _SAME_DIRECTION)
