"""Generated rooms as recordings with a true mesh: what a whole map is tested with."""

from __future__ import annotations

import csv
import json
import logging
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.rooms.camera_path import PathPlanner
from pipelines.rooms.camera_path_settings import DENSE
from pipelines.rooms.render import Renderer
from pipelines.rooms.render_pool import SPLIT_STARTS, RoomBuilder
from pipelines.rooms.render_settings import RenderSettings
from streammtl.data.clip import Clip
from streammtl.data.rooms.scene import Mesh
from streammtl.errors import GeometryError

log = logging.getLogger(__name__)

JPEG_QUALITY = 95
TRUTH_EVERY = 10  # clip.npz holds every tenth frame with all its truth
SAME_POINT_M = 1e-4


def write_test_rooms(folder: Path, rooms: int, frames: int, size: tuple[int, int], build: RoomBuilder) -> int:
    """Writes recordings room_000, room_001, ... at `size` (height, width), going on where an earlier run stopped, and
    returns how many there are. A room without a path is skipped, and the next seed takes its place."""
    seed, done = SPLIT_STARTS["test3d"], 0
    while done < rooms:
        target = folder / f"room_{done:03d}"
        note = target / "room.json"
        if note.exists():
            seed = json.loads(note.read_text())["seed"] + 1
            done += 1
            continue
        try:
            write_recording(target, seed, frames, size, build)
        except GeometryError as error:
            log.warning("room of seed %d skipped: %s", seed, error)
        else:
            note.write_text(json.dumps({"seed": seed, "frames": frames, "size": size}) + "\n")
            done += 1
            log.info("%d of %d rooms written", done, rooms)
        seed += 1
    return done


def write_recording(folder: Path, seed: int, frames: int, size: tuple[int, int], build: RoomBuilder) -> None:
    """One room at 30 frames a second: rgb/, labels/, frames.csv, poses.txt, intrinsics.json, mesh.ply, and clip.npz
    with the truth of every tenth frame. Nothing moves in it but the camera.

    Raises: GeometryError when no camera path is found.
    """
    scene = replace(build(seed), moving=[])
    rng = np.random.default_rng([seed, 3])
    renderer = Renderer(scene, RenderSettings(instances=True))
    path = PathPlanner(scene, renderer.caster, DENSE, rng).path(frames, size, rng)
    clip = renderer.clip(path, size, rng)
    write_frames(folder, clip)
    write_mesh(folder / "mesh.ply", scene.mesh)
    _every(clip, TRUTH_EVERY).save(folder / "clip.npz")


def write_frames(folder: Path, clip: Clip) -> None:
    """A clip as a recording without depth: rgb/, labels/, frames.csv, poses.txt, intrinsics.json."""
    for name in ("rgb", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for i, (image, labels) in enumerate(zip(clip.images, clip.labels, strict=True)):
        Image.fromarray(image).save(folder / "rgb" / f"{i:06d}.jpg", quality=JPEG_QUALITY)
        Image.fromarray(labels).save(folder / "labels" / f"{i:06d}.png")
    _write_poses(folder, clip)
    _write_camera(folder / "intrinsics.json", clip.K.astype(np.float64), clip.images.shape[1:3])


def _every(clip: Clip, step: int) -> Clip:
    per_frame = {f.name: getattr(clip, f.name) for f in fields(clip) if f.name != "K"}
    return replace(clip, **{name: a[::step] for name, a in per_frame.items() if a is not None})


def _write_poses(folder: Path, clip: Clip) -> None:
    lines = ["# timestamp tx ty tz qx qy qz qw, camera to world, OpenCV camera axes", "# scale: metres; world: z up"]
    for time_s, pose in zip(clip.timestamp_s, clip.T_world_cam, strict=True):
        values = (*pose[:3, 3], *quaternion_xyzw(pose[:3, :3]))
        lines.append(f"{time_s:.6f} " + " ".join(f"{value:.8f}" for value in values))
    (folder / "poses.txt").write_text("\n".join(lines) + "\n")
    with (folder / "frames.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("index", "timestamp"))
        writer.writerows((i, f"{time_s:.6f}") for i, time_s in enumerate(clip.timestamp_s))


def _write_camera(path: Path, K: np.ndarray, size: tuple[int, int]) -> None:
    values = {"width": size[1], "height": size[0], "fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]}
    path.write_text(json.dumps(values | {"camera_model": "PINHOLE", "distortion": []}, indent=1) + "\n")


def quaternion_xyzw(rotation: np.ndarray) -> np.ndarray:
    """f64 [4] unit quaternion of a rotation [3,3] (Shepperd's method: the largest component first)."""
    trace = np.trace(rotation)
    squares = np.array([*(1 + 2 * np.diag(rotation) - trace), 1 + trace])
    k = int(squares.argmax())
    i, j = (k + 1) % 3, (k + 2) % 3
    result = np.empty(4)
    result[k] = squares[k]
    if k == 3:
        skew = rotation - rotation.T
        result[:3] = skew[2, 1], skew[0, 2], skew[1, 0]
    else:
        result[i] = rotation[i, k] + rotation[k, i]
        result[j] = rotation[j, k] + rotation[k, j]
        result[3] = rotation[j, i] - rotation[i, j]
    return result / np.linalg.norm(result)


def write_mesh(path: Path, mesh: Mesh) -> None:
    """Binary PLY: x, y, z (float, metres, world) and label (uchar, NYU-40 id) per vertex. Corners at one place are one
    vertex unless their labels differ."""
    corners = mesh.corners.reshape(-1, 3)
    keys = np.column_stack([np.round(corners / SAME_POINT_M).astype(np.int64), np.repeat(mesh.label, 3)])
    _, first, index = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    triangles = index.reshape(-1, 3)
    proper = (np.diff(np.sort(triangles, axis=1), axis=1) > 0).all(axis=1)
    points = np.zeros(len(first), [("xyz", "<f4", 3), ("label", "u1")])
    points["xyz"], points["label"] = corners[first], keys[first, 3]
    faces = np.zeros(int(proper.sum()), [("count", "u1"), ("index", "<i4", 3)])
    faces["count"], faces["index"] = 3, triangles[proper]
    header = "\n".join(
        [
            "ply",
            "format binary_little_endian 1.0",
            f"element vertex {len(points)}",
            *(f"property float {axis}" for axis in "xyz"),
            "property uchar label",
            f"element face {len(faces)}",
            "property list uchar int vertex_indices",
            "end_header\n",
        ]
    )
    path.write_bytes(header.encode("ascii") + points.tobytes() + faces.tobytes())
