"""Two rooms made of boxes: 6 x 3 m, parted at x = 3.5 by a wall with a door 0.8 m wide, with three things in them.

The scene's own axes are x, y, z with z up and the floor at z = 0; the map's world is turned to y down, as a camera's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mapping.query import Volume
from mapping.records import BLOCK_SIZE, Blocks, FrameRecord, KeyframeRecord, Submap
from mapping.slam.tracked import TrackStatus
from mapping.store import LabelSpaceRecord, MapHeader, MapWriter, ScaleRecord, StoreSettings, open_map
from streammtl.camera import Camera
from streammtl.views import ScaleStatus
from tests.mapping.surface.distance_fields import points_of

VOXEL, TRUNCATION = 0.08, 0.2
UP_WORLD = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # world from the scene's own axes
WALL, FLOOR, CEILING, TABLE, CHAIR = 1, 2, 3, 4, 5
LABELS = LabelSpaceRecord(
    name="boxes",
    ids=(0, 1, 2, 3, 4, 5),
    names=("void", "wall", "floor", "ceiling", "table", "chair"),
    palette=((0, 0, 0), (190, 196, 206), (166, 138, 104), (232, 228, 214), (30, 128, 25), (166, 116, 58)),
)
YAW = np.deg2rad(30)
# centre, extent, yaw, label
SOLIDS = [
    ((3, 1.5, -0.1), (7, 4, 0.2), 0, FLOOR),
    ((3, 1.5, 2.5), (7, 4, 0.2), 0, CEILING),
    ((-0.1, 1.5, 1.2), (0.2, 4, 2.6), 0, WALL),
    ((6.1, 1.5, 1.2), (0.2, 4, 2.6), 0, WALL),
    ((3, -0.1, 1.2), (7, 0.2, 2.6), 0, WALL),
    ((3, 3.1, 1.2), (7, 0.2, 2.6), 0, WALL),
    ((3.5, 0.5, 1.2), (0.2, 1.4, 2.6), 0, WALL),  # beside the door: y = 1.2 to 2.0
    ((3.5, 2.6, 1.2), (0.2, 1.2, 2.6), 0, WALL),
    ((3.5, 1.6, 2.3), (0.2, 0.8, 0.4), 0, WALL),
]
TABLE_BOX = ((1.0, 2.4, 0.375), (1.2, 0.6, 0.75))
CHAIR_BOX = ((4.8, 1.0, 0.4), (0.5, 0.4, 0.8))
OTHER_CHAIR_BOX = ((2.4, 0.5, 0.4), (0.4, 0.4, 0.8))
THINGS = [(*TABLE_BOX, 0, TABLE), (*CHAIR_BOX, YAW, CHAIR), (*OTHER_CHAIR_BOX, 0, CHAIR)]
CAMERA = Camera.pinhole(64, 48, 26.0, 26.0, 31.5, 23.5)


def nearest_solid(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the nearest solid, negative inside, and its label, of points [...,3] in the scene's own axes."""
    distance, label = np.full(points.shape[:-1], np.inf), np.zeros(points.shape[:-1], np.uint8)
    for centre, extent, yaw, of_class in SOLIDS + THINGS:
        c, s = np.cos(yaw), np.sin(yaw)
        local = (points - np.array(centre)) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        out = np.abs(local) - np.array(extent) / 2
        d = np.linalg.norm(np.maximum(out, 0), axis=-1) + np.minimum(out.max(-1), 0)
        label = np.where(d < distance, of_class, label)
        distance = np.minimum(distance, d)
    return distance, label


def pose(x: float, y: float, z: float, heading_deg: float, down_deg: float = 20.0) -> np.ndarray:
    """T_world_cam of a level camera at a point of the scene's own axes."""
    h, d = np.deg2rad([heading_deg, down_deg])
    forward = np.array([np.cos(h) * np.cos(d), np.sin(h) * np.cos(d), -np.sin(d)])
    right = np.array([np.sin(h), -np.cos(h), 0])
    T = np.eye(4)
    T[:3, :3] = UP_WORLD @ np.stack([right, np.cross(forward, right), forward], 1)
    T[:3, 3] = UP_WORLD @ (x, y, z)
    return T


POSES = [
    pose(x, y, 1.4, heading)
    for x, y in ((0.6, 0.6), (2.6, 1.6), (4.3, 2.3), (5.4, 1.6))
    for heading in range(0, 360, 90)
]


def write_two_rooms(path: Path) -> None:
    size = 8 * VOXEL
    low = np.floor(np.array([-0.3, -2.7, -0.3]) / size).astype(int)
    high = np.ceil(np.array([6.3, 0.3, 3.3]) / size).astype(int)
    index = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), -1).reshape(-1, 3).astype(np.int32)
    points = points_of(index, VOXEL) @ UP_WORLD
    distance, label = nearest_solid(points)
    within = (points >= -0.1) & (points <= (6.1, 3.1, 2.5))  # the outsides of the walls are not seen
    seen = (np.abs(distance) <= TRUNCATION) & within.all(-1)
    kept = seen.reshape(len(index), -1).any(1)
    index, distance, label, seen = index[kept], distance[kept], label[kept], seen[kept]
    cube = (len(index), *[BLOCK_SIZE] * 3)
    blocks = Blocks(
        index=index,
        tsdf=np.where(seen, distance / TRUNCATION, 0).astype(np.float32),
        weight=seen.astype(np.float32),
        colour=np.full((*cube, 3), 150, np.uint8),
        label_ids=np.stack([label * seen, np.full(cube, FLOOR) * seen], -1).astype(np.uint8),
        label_weights=np.stack([3.0 * seen, 1.0 * seen], -1).astype(np.float32),
    )
    header = MapHeader(
        voxel_size_m=VOXEL, truncation_m=TRUNCATION, label_space=LABELS, scale=ScaleRecord(status=ScaleStatus.METRIC)
    )
    frames = [FrameRecord(i, i / 10, T, TrackStatus.TRACKED, ScaleStatus.METRIC, True) for i, T in enumerate(POSES)]
    with MapWriter.create(path, header, StoreSettings(durable=False)) as writer:
        writer.commit(submaps=[Submap(0, 0, np.eye(4), blocks, frames, closed=True)])
        volume = Volume(open_map(path))
        writer.commit(keyframes=[_keyframe(i, T, volume) for i, T in enumerate(POSES)])


def _keyframe(i: int, T: np.ndarray, volume: Volume) -> KeyframeRecord:
    view = volume.view(CAMERA, T)
    known = (view.depth_m > 0).astype(np.float32)
    return KeyframeRecord(i, i / 10, 0, T, CAMERA, view.colour, view.depth_m, known, view.label)
