"""Questions to a large map: what opening, points and views cost, beside libraries that hold everything in memory.

python benchmarks/queries.py --map /scratch/large.zarr                # makes it when absent: 1e6 blocks
python benchmarks/queries.py --map /scratch/small.zarr --rooms 2x2

The map is a building of rooms 5 x 5 x 2.7 m at 2 cm, one submap each. Points lie within a voxel's reach of surfaces.
Peers, on one room: scipy's trilinear `map_coordinates` on a dense array of distances, Open3D's ray casting on its mesh.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.ndimage import map_coordinates

from mapping.query import Volume
from mapping.records import BLOCK_SIZE, Blocks, Submap
from mapping.store import MapHeader, MapWriter, StoreSettings, is_map, open_map
from mapping.surface.mesh import extract_mesh
from mapping.surface.raycast import MeshRays
from streammtl.camera import Camera
from streammtl.errors import StreamMtlError

VOXEL_M, TRUNCATION_M = 0.02, 0.08
ROOM_M = np.array([5.0, 5.0, 2.7])
SPACING = 32  # blocks from room to room: 5.12 m
CAMERA = Camera.pinhole(640, 480, 520.0, 520.0, 319.5, 239.5)
LABELS = 4
TURNS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", type=Path, required=True, help="the generated map; kept for the next time")
    parser.add_argument("--rooms", default="12x12", help="rooms along x and y (default: %(default)s)")
    parser.add_argument("--points", type=int, default=1_000_000, help="points per query (default: %(default)s)")
    options = parser.parse_args()
    try:
        if not is_map(options.map):
            build(options.map, *(int(n) for n in options.rooms.split("x")))
        measure(options.map, options.points)
    except StreamMtlError as error:
        print(f"queries: {error}", file=sys.stderr)
        return 1
    return 0


def build(path: Path, across: int, along: int) -> None:
    """Writes the building. Every room holds the same voxels but for its place."""
    room = room_blocks()
    header = MapHeader(voxel_size_m=VOXEL_M, truncation_m=TRUNCATION_M)
    with MapWriter.create(path, header, StoreSettings(durable=False)) as writer:
        for n in range(across * along):
            T = np.eye(4)
            T[:2, 3] = np.array([n % across, n // across]) * SPACING * BLOCK_SIZE * VOXEL_M
            writer.commit(submaps=[Submap(n, 0, T, room, closed=True)])


def room_blocks() -> Blocks:
    """The inside of one room as fusion leaves it: distances in the band, noise on distances and weights."""
    rng = np.random.default_rng(0)
    high = np.ceil((ROOM_M + TRUNCATION_M) / (VOXEL_M * BLOCK_SIZE)).astype(int)
    index = np.stack(np.meshgrid(*[np.arange(-1, n) for n in high], indexing="ij"), -1).reshape(-1, 3).astype(np.int32)
    within = np.stack(np.meshgrid(*[np.arange(BLOCK_SIZE)] * 3, indexing="ij"), -1)
    distance = inside((index[:, None, None, None] * BLOCK_SIZE + within) * VOXEL_M)
    near = (np.abs(distance) < TRUNCATION_M).reshape(len(index), -1).any(1)
    index, distance = index[near], distance[near]
    seen = np.abs(distance) < TRUNCATION_M
    tsdf = np.where(seen, distance / TRUNCATION_M + rng.normal(0, 0.01, distance.shape), 0).clip(-1, 1)
    ids = np.zeros((*seen.shape, LABELS), np.uint8)
    ids[..., 0], ids[..., 1] = seen * (1 + index[:, 2, None, None, None] % 30), seen * 40
    weights = np.where(ids > 0, rng.uniform(0.5, 2, ids.shape), 0)
    colour = (seen[..., None] * rng.integers(90, 110, (*seen.shape, 3))).astype(np.uint8)
    weight = seen * rng.uniform(3, 9, seen.shape)
    return Blocks(*(index, tsdf.astype(np.float32), weight.astype(np.float32), colour, ids, weights.astype(np.float32)))


def inside(points: np.ndarray) -> np.ndarray:
    """Distance to the walls, positive in the room."""
    return np.minimum(points, ROOM_M - points).min(-1)


def measure(path: Path, n: int) -> None:
    print(f"{'':68}{'wall':>12}{'CPU':>12}")
    report("open the map", timed(lambda: open_map(path)))
    report("index its blocks", once(lambda: volume_of(path)))
    report(
        "first view, 640x480, with compiling or loading its loops",
        once(lambda: volume_of(path).view(CAMERA, looking(0))),
    )
    colds = [volume_of(path) for _ in range(TURNS)]
    turns = [once(lambda cold=cold: cold.view(CAMERA, looking(0))) for cold in colds]
    cold = colds[-1]
    report(f"first view of {len(cold):,} blocks, none read yet, median of {TURNS}", tuple(np.median(turns, axis=0)))
    report("the same view again", timed(lambda: cold.view(CAMERA, looking(0))))
    report("ten views, each from a step aside", once(lambda: [cold.view(CAMERA, looking(i)) for i in range(10)]))
    points = near_walls(n)
    cold = volume_of(path)
    report(f"{n:,} points of one room: distance, colour, label; first time", once(lambda: cold.sample(points)), n)
    report("the same, blocks in memory", timed(lambda: cold.sample(points)), n)
    report("distance only", timed(lambda: cold.tsdf_m(points)), n)
    peers(points)


def volume_of(path: Path) -> Volume:
    return Volume(open_map(path), memory_bytes=1 << 30)


def peers(points: np.ndarray) -> None:
    grid = np.stack(np.meshgrid(*[np.arange(-8, n) for n in (ROOM_M / VOXEL_M).astype(int) + 8], indexing="ij"), -1)
    dense = inside(grid * VOXEL_M).clip(-TRUNCATION_M, TRUNCATION_M).astype(np.float32)
    at = points.T / VOXEL_M + 8
    report("scipy, dense array, distance only", timed(lambda: map_coordinates(dense, at, order=1)), len(points))
    rays = MeshRays(extract_mesh(room_blocks(), VOXEL_M))
    y, x = np.mgrid[: CAMERA.height, : CAMERA.width].reshape(2, -1)
    local = np.stack([(x - CAMERA.cx) / CAMERA.fx, (y - CAMERA.cy) / CAMERA.fy, np.ones(x.shape)], -1)
    T = looking(0)
    report("Open3D rays on one room's mesh", timed(lambda: rays.cast(T[None, :3, 3], local @ T[:3, :3].T)))


def looking(step: int) -> np.ndarray:
    """T_world_cam in the middle of the first room, level, along a diagonal."""
    forward = np.array([1.0, 1.0, -0.3]) / np.linalg.norm([1.0, 1.0, -0.3])
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    T = np.eye(4)
    T[:3, :3] = np.stack([right, np.cross(forward, right), forward], 1)
    T[:3, 3] = np.array([1.5, 1.5, 1.5]) + 0.05 * step * right
    return T


def near_walls(n: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    points = rng.uniform(0.1, ROOM_M - 0.1, (n, 3))
    axis = rng.integers(0, 3, n)
    points[np.arange(n), axis] = np.where(rng.random(n) < 0.5, 0, ROOM_M[axis]) + rng.uniform(-0.02, 0.02, n)
    return points


def once(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds, of all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """The shortest of several turns, after one that does not count."""
    work()
    turns = [once(work) for _ in range(TURNS)]
    return min(wall for wall, _ in turns), min(cpu for _, cpu in turns)


def report(what: str, seconds: tuple[float, float], count: int | None = None) -> None:
    """One line: seconds, or with a count so many a second."""
    values = [f"{s:.3f} s" if count is None else f"{count / s / 1e6:.2f} M/s" for s in seconds]
    print(f"{what:68}" + "".join(f"{value:>12}" for value in values), flush=True)


if __name__ == "__main__":
    sys.exit(main())
