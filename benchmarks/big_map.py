"""A generated building of a million voxel blocks, and how long `streammtl info` takes on it.

python benchmarks/big_map.py [--blocks 1000000] [--out big.zarr] [--turns 3]

Rooms of 5.12 m with two cupboards stand in a square grid, a submap each, with true distances, colours and labels; a
camera walks through every one. With --out the map is kept for other benchmarks, and used again where it is there.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mapping.records import BLOCK_SIZE, Blocks, FrameRecord, KeyframeRecord, Submap
from mapping.slam.tracked import TrackStatus
from mapping.store import (
    LabelSpaceRecord,
    MapHeader,
    MapWriter,
    Progress,
    ScaleRecord,
    StoreSettings,
    is_map,
    open_map,
)
from streammtl.camera import Camera
from streammtl.views import ScaleStatus

VOXEL, TRUNCATION = 0.02, 0.08
BLOCK = VOXEL * BLOCK_SIZE
ROOM = np.array([5.12, 5.12, 2.56])  # x, y along the floor, z up
CUPBOARDS = (((0.4, 0.3, 0.0), (1.6, 0.9, 1.9)), ((3.0, 2.6, 0.0), (4.1, 3.9, 0.8)))  # low and high corners
PITCH = 34  # blocks from room to room
FRAMES, KEYFRAMES = 60, 4  # of each room
LABELS = LabelSpaceRecord(
    name="building",
    ids=(0, 1, 2, 3),
    names=("none", "wall", "floor", "cupboard"),
    palette=((0, 0, 0), (174, 199, 232), (152, 223, 138), (31, 119, 180)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="big_map_") as folder:
        path = options.out or Path(folder) / "big.zarr"
        start = time.process_time()
        if not is_map(path):
            write_building(path, options.blocks)
        report = {"written_cpu_s": round(time.process_time() - start, 1), **time_info(path, options.turns)}
    json.dump(report, sys.stdout, indent=2)
    print()


def write_building(path: Path, at_least: int) -> None:
    """Writes a map with `at_least` so many blocks, whole rooms."""
    room = room_blocks()
    rooms = -(-at_least // len(room))
    header = MapHeader(
        voxel_size_m=VOXEL,
        truncation_m=TRUNCATION,
        label_space=LABELS,
        scale=ScaleRecord(status=ScaleStatus.METRIC, value=1.0, method="generated"),
        progress=Progress(next_frame=rooms * FRAMES, elapsed_s=rooms * FRAMES / 30, complete=True),
    )
    with MapWriter.create(path, header, StoreSettings(durable=False)) as writer:
        writer.commit(submaps=submaps(room, rooms), keyframes=keyframes(rooms), header=header)
        writer.write_trajectory()


def room_blocks() -> Blocks:
    """The blocks of one room that a surface passes through or nearly so, in the room's own grid."""
    low, high = np.floor(-TRUNCATION / BLOCK).astype(int), np.ceil((ROOM + TRUNCATION) / BLOCK).astype(int)
    index = np.stack(np.meshgrid(*[np.arange(low, top) for top in high], indexing="ij"), -1).reshape(-1, 3)
    middle = (index + (BLOCK_SIZE - 1) / (2 * BLOCK_SIZE)) * BLOCK
    index = index[np.abs(distance(middle)[0]) < TRUNCATION + BLOCK]
    inner = np.stack(np.meshgrid(*[np.arange(BLOCK_SIZE)] * 3, indexing="ij"), -1)
    points = (index[:, None, None, None] * BLOCK_SIZE + inner) * VOXEL
    metres, label = distance(points)
    tsdf = (metres / TRUNCATION).clip(-1, 1).astype(np.float32)
    kept = (np.abs(tsdf) < 1).any((1, 2, 3))
    seen = (metres > -TRUNCATION)[kept]
    ids = np.zeros((*seen.shape, 4), np.uint8)
    ids[..., 0] = label[kept] * seen
    weights = np.zeros(ids.shape, np.float32)
    weights[..., 0] = 10 * seen
    checks = (np.floor(points[kept] / 0.32).sum(-1) % 2).astype(np.uint8)
    colour = np.stack([100 + 100 * checks, 90 + 40 * label[kept], np.full(checks.shape, 120, np.uint8)], -1)
    return Blocks(
        index[kept].astype(np.int32), tsdf[kept], np.float32(10) * seen, colour.astype(np.uint8), ids, weights
    )


def distance(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance in metres from points [...,3] to the nearest surface of a room, negative behind it, and its label."""
    walls = np.minimum(points, ROOM - points)
    nearest = walls.min(-1)
    label = np.where(walls[..., 2] == nearest, np.where(points[..., 2] < 1, 2, 1), 1).astype(np.uint8)
    for low, high in CUPBOARDS:
        outside = np.maximum(np.array(low) - points, points - np.array(high))
        away = np.linalg.norm(outside.clip(min=0), axis=-1) + outside.max(-1).clip(max=0)
        label = np.where(away < nearest, 3, label).astype(np.uint8)
        nearest = np.minimum(nearest, away)
    return nearest, label


def anchor(number: int, rooms: int) -> np.ndarray:
    """T_world_submap of a room: a square grid, by whole blocks."""
    side = int(np.ceil(np.sqrt(rooms)))
    T = np.eye(4)
    T[:2, 3] = np.array([number % side, number // side]) * PITCH * BLOCK
    return T


def submaps(room: Blocks, rooms: int) -> Iterator[Submap]:
    for number in range(rooms):
        frames = [
            FrameRecord(number * FRAMES + i, i / 30, walk(i), TrackStatus.TRACKED, ScaleStatus.METRIC, i < KEYFRAMES)
            for i in range(FRAMES)
        ]
        yield Submap(number, 0, anchor(number, rooms), room, frames, closed=True)


def walk(i: int) -> np.ndarray:
    """Camera to room of frame i: a circle around its middle at eye height, looking outwards and level."""
    angle = 2 * np.pi * i / FRAMES
    forward = np.array([np.cos(angle), np.sin(angle), 0.0])
    down = np.array([0.0, 0.0, -1.0])
    T = np.eye(4)
    T[:3, :3] = np.stack([np.cross(down, forward), down, forward], axis=1)
    T[:3, 3] = [ROOM[0] / 2 + 0.3 * forward[0], ROOM[1] / 2 + 0.3 * forward[1], 1.5]
    return T


def keyframes(rooms: int) -> list[KeyframeRecord]:
    """Small ones: only their number matters here."""
    camera = Camera.pinhole(32, 24, 30.0, 30.0, 15.5, 11.5)
    image, depth = np.full((24, 32, 3), 120, np.uint8), np.full((24, 32), 2, np.float32)
    ones, labels = np.ones_like(depth), np.ones(depth.shape, np.uint8)
    return [
        KeyframeRecord(room * FRAMES + i, i / 30, room, walk(i), camera, image, depth, ones, labels)
        for room in range(rooms)
        for i in range(KEYFRAMES)
    ]


def time_info(path: Path, turns: int) -> dict[str, object]:
    """The whole command as a user types it, imports included: smallest wall and CPU seconds."""
    wall, cpu = [], []
    for _ in range(turns):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.cli", "info", str(path), "--json"], capture_output=True, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall.append(time.perf_counter() - start)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    summary = json.loads(done.stdout)
    start = time.process_time()
    open_map(path)
    opened_s = time.process_time() - start
    facts = {name: summary[name] for name in ("blocks", "submaps", "keyframes", "frames", "size_bytes")}
    times = {"info_wall_s": min(wall), "info_cpu_s": min(cpu), "open_map_cpu_s": opened_s}
    return facts | {name: round(value, 3) for name, value in times.items()} | {"turns": turns}


if __name__ == "__main__":
    main()
