"""Objects and rooms that a scene graph finds in generated rooms, against the rooms' own list of things.

python benchmarks/scene_graph.py --folder ROOMS --rooms 5 [--furniture MODELS]

Each room is filmed (as by `python -m pipelines.rooms --split test3d`), true depth and true labels are fused, and the
scene is read from the map. Every vertex of the surface belongs to the true thing nearest to it. A found object is right
when it and a true thing of its class share at least half of the vertices that either has (IoU 0.5). True things of
which less than 0.05 m2 was seen do not count, nor do smaller objects. Every room is one room.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from mapping.fusion.grid import VoxelGrid
from mapping.fusion.observation import DepthObservation
from mapping.fusion.settings import FusionSettings
from mapping.records import FrameRecord, KeyframeRecord, Submap
from mapping.scene import Scene, read_scene
from mapping.scene.floor_grid import vertex_areas
from mapping.scene.objects import UNCOUNTABLE
from mapping.slam.tracked import TrackStatus
from mapping.store import LabelSpaceRecord, MapHeader, MapWriter, ScaleRecord, StoreSettings, open_map
from mapping.surface.room_rays import SceneCaster, camera_rays, pixel_grid
from pipelines.rooms.render_recording import write_test_rooms
from recordings.open_source import open_recording
from streammtl.data.rooms.build import build_room
from streammtl.data.rooms.furniture.library import FurnitureLibrary
from streammtl.data.rooms.scene import Scene as Room
from streammtl.errors import StreamMtlError
from streammtl.labels import label_space
from streammtl.views import Frame, ScaleStatus

LEAST_SEEN_M2 = 0.05
EVERY = 2  # frames
POINTS_PER_M2 = 2000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="generated rooms; made there when absent")
    parser.add_argument("--rooms", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--frames", type=int, default=200, help="of rooms that are made (default: %(default)s)")
    parser.add_argument("--furniture", type=Path, default=None, help="the models that the rooms were made with")
    options = parser.parse_args()
    try:
        furniture = FurnitureLibrary(options.furniture, False) if options.furniture else None
        build = functools.partial(build_room, furniture=furniture, kind=None)
        write_test_rooms(options.folder, options.rooms, options.frames, (240, 320), build)
        totals = np.zeros(3, int)
        for folder in sorted(options.folder.glob("room_*"))[: options.rooms]:
            room = build(json.loads((folder / "room.json").read_text())["seed"])
            with tempfile.TemporaryDirectory() as scratch:
                fuse(folder, room, Path(scratch) / "map.zarr")
                scene = read_scene(open_map(Path(scratch) / "map.zarr"))
            counts = judge(scene, room)
            totals += counts
            report(folder.name, counts, f"{len(scene.rooms)} room(s), {len(scene.places)} places")
        report("all", totals, "")
    except StreamMtlError as error:
        print(f"scene_graph: {error}", file=sys.stderr)
        return 1
    return 0


def fuse(folder: Path, room: Room, path: Path) -> None:
    """A map of one submap from the true depth and labels of a recording."""
    settings, space = FusionSettings(), label_space("nyu40")
    record = LabelSpaceRecord(name=space.name, ids=space.ids, names=space.names, palette=space.palette)
    caster, grid = SceneCaster(room).at(0.0), VoxelGrid(settings)
    frames, keyframes = [], []
    for frame in _frames(folder):
        T, camera = frame.T_world_cam, frame.camera
        if frame.index % EVERY or T is None:
            continue
        rays = camera_rays(camera.K, T, pixel_grid(camera.height, camera.width))
        depth = caster.hits(rays).distance.reshape(camera.height, camera.width).astype(np.float32)
        depth[~np.isfinite(depth)] = 0
        labels = np.asarray(Image.open(folder / "labels" / f"{frame.index:06d}.png")).astype(np.uint8)
        grid.integrate(DepthObservation(depth, frame.image, camera, T, label_ids=labels[..., None]))
        frames.append(FrameRecord(frame.index, frame.timestamp_s, T, TrackStatus.TRACKED, ScaleStatus.METRIC, True))
        sure = (depth > 0).astype(np.float32)
        keyframes.append(KeyframeRecord(frame.index, frame.timestamp_s, 0, T, camera, frame.image, depth, sure, labels))
    header = MapHeader(
        voxel_size_m=settings.voxel_size_m,
        truncation_m=settings.truncation_m,
        label_space=record,
        scale=ScaleRecord(status=ScaleStatus.METRIC),
    )
    with MapWriter.create(path, header, StoreSettings(durable=False)) as writer:
        writer.commit(submaps=[Submap(0, 0, np.eye(4), grid.blocks(), frames, closed=True)], keyframes=keyframes)


def _frames(folder: Path) -> Iterator[Frame]:
    with open_recording(folder) as recording:
        yield from recording.frames()


def judge(scene: Scene, room: Room) -> np.ndarray:
    """Things seen, objects found, and objects that are right, i64 [3]."""
    corners = room.mesh.corners.astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    rng = np.random.default_rng(0)
    face = rng.choice(len(area), int(area.sum() * POINTS_PER_M2), p=area / area.sum())
    u, v = np.sqrt(rng.random((len(face), 1))), rng.random((len(face), 1))
    points = (1 - u) * corners[face, 0] + u * (1 - v) * corners[face, 1] + u * v * corners[face, 2]
    _, nearest = cKDTree(points).query(scene.mesh.vertices)
    true = room.mesh.instance[face[nearest]].astype(np.int64)
    labels = {int(i): int(room.mesh.label[room.mesh.instance == i][0]) for i in np.unique(true)}
    names = dict(zip(scene.label_space.ids, scene.label_space.names, strict=True))
    seen = np.bincount(true, vertex_areas(scene.mesh))
    things = [i for i in labels if seen[i] >= LEAST_SEEN_M2 and names[labels[i]] not in UNCOUNTABLE]
    size, right = np.bincount(true), 0
    counted = [found for found in scene.objects if found.area_m2 >= LEAST_SEEN_M2]
    for found in counted:
        shared = np.bincount(true[found.vertices], minlength=len(size))
        best = int(shared.argmax())
        iou = shared[best] / (size[best] + len(found.vertices) - shared[best])
        right += iou >= 0.5 and best in things and labels[best] == found.class_id
    return np.array([len(things), len(counted), right])


def report(name: str, counts: np.ndarray, more: str) -> None:
    things, found, right = counts.tolist()
    shares = f"precision {right / max(found, 1):.2f}, recall {right / max(things, 1):.2f}"
    print(f"{name}: {things} things seen, {found} objects found, {right} right: {shares}  {more}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
