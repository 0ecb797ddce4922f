"""Milliseconds per frame to fuse depth, colour and labels, ours beside Open3D's VoxelBlockGrid (depth and colour), 8^3
blocks, and beside a bound: the time to read the frame once and to read and write the voxels of changed blocks once.

python benchmarks/fusion.py [RECORDING_FOLDER] [--frames N] [--threads N] [--rounds N] [--accuracy] [--json]
python -m benchmarks.fusion [RECORDING_FOLDER] --device cuda [--compile]    # on a GPU, beside Open3D's there
python -m benchmarks.fusion [RECORDING_FOLDER] --operations --frames 6      # what a GPU would be asked for

Without a recording: frames of an exactly ray-cast room, 640x480. All sides get the same frames in alternating rounds,
allocation and integration together. Of each frame the best round counts; the figure is the mean over the frames after
the first. CPU time is the sum over all threads; on a busy machine only it says much.

--accuracy compares our surface with Open3D's, of the same frames at the same voxel size and truncation, instead of
times; both meshes hold what was seen at least once. It takes 100 frames unless told otherwise.

--device cuda measures tensor operations on voxels that live there, until the GPU is done with the frame; --compile has
PyTorch fuse them first, which takes minutes, in rounds that do not count where there is more than one. --operations
counts them instead, with the bytes that they read and write, on the CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np

FAR_M = 4.0  # on both sides: farther depth is not used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", nargs="?", help="folder with rgb/, depth/, poses.txt, intrinsics.json")
    parser.add_argument("--frames", type=int, help="default: 40, for accuracy 100")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--device", default="cpu", help="cuda, cuda:1, ...: there instead of on the CPU")
    parser.add_argument("--compile", action="store_true", help="with --device cuda")
    parser.add_argument("--operations", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):  # read when the libraries are loaded, below
        os.environ[name] = str(arguments.threads)
    if arguments.accuracy:
        count = arguments.frames or 100
        print(json.dumps([accuracy(arguments.recording, count, size) for size in (0.02, 0.01)], indent=2))
        return
    if arguments.device != "cpu" or arguments.operations:
        print(json.dumps(as_tensors(arguments), indent=2))
        return
    rows = measure(arguments.recording, arguments.frames or 40, arguments.rounds)
    if arguments.json:
        print(json.dumps({"threads": arguments.threads, "load": os.getloadavg()[0], "rows": rows}))
        return
    print(f"{arguments.threads} threads, load average {os.getloadavg()[0]:.1f}")
    for row in rows:
        print(
            f"{row['voxel_mm']:5.0f} mm  {row['what']:38s} {row['wall_ms']:7.2f} ms wall  {row['cpu_ms']:7.2f} ms CPU  "
            f"{row['blocks']:6d} blocks"
        )


def as_tensors(arguments: argparse.Namespace) -> list[dict]:
    from benchmarks import fusion_tensors
    from streammtl.models.predictor import choose_device

    count = arguments.frames or 40
    frames = recorded(arguments.recording, count) if arguments.recording else room_frames(count)
    if arguments.operations:
        return fusion_tensors.operations(frames)
    return fusion_tensors.times(choose_device(arguments.device), frames, arguments.rounds, arguments.compile)


def measure(recording: str | None, count: int, rounds: int) -> list[dict]:
    from mapping.fusion.settings import FusionSettings
    from mapping.surface.raycast import open3d

    observations = recorded(recording, count) if recording else room_frames(count)
    without = [type(o)(o.depth_m, o.image, o.camera, o.T_submap_cam) for o in observations]
    rows = []
    for voxel_size_m in (0.02, 0.01):
        settings = FusionSettings(voxel_size_m=voxel_size_m, truncation_m=4 * voxel_size_m, far_m=FAR_M)
        sides = {
            "depth + colour + labels": partial(our_side, settings, observations),
            "bound: the bytes of the same": partial(bound_side, settings, observations),
            "depth + colour": partial(our_side, settings, without),
            "Open3D, depth + colour": partial(open3d_side, open3d(), voxel_size_m, without),
        }
        rounds_of = [{what: side() for what, side in sides.items()} for _ in range(rounds)]
        for what in sides:
            seconds = np.min([sides_of[what][0] for sides_of in rounds_of], axis=0)
            wall_ms, cpu_ms = 1e3 * seconds[1:].mean(0)
            row = {"voxel_mm": 1e3 * voxel_size_m, "what": what, "wall_ms": wall_ms, "cpu_ms": cpu_ms}
            rows.append(row | {"blocks": rounds_of[0][what][1]})
    return rows


def accuracy(recording: str | None, count: int, voxel_size_m: float) -> dict:
    """Precision, recall and F-score of our mesh at 2 cm against Open3D's of the same depth and poses."""
    from mapping.evaluation.surface import Triangles, surface_error
    from mapping.fusion.grid import VoxelGrid
    from mapping.fusion.settings import FusionSettings
    from mapping.surface.mesh import extract_mesh
    from mapping.surface.raycast import open3d

    observations = recorded(recording, count) if recording else room_frames(count)
    grid = VoxelGrid(FusionSettings(voxel_size_m=voxel_size_m, truncation_m=4 * voxel_size_m, far_m=FAR_M))
    theirs, fuse = open3d_grid(open3d(), voxel_size_m)
    for observation in observations:
        grid.integrate(observation)
        fuse(open3d_frame(open3d(), observation))
    ours = extract_mesh(grid.blocks(), voxel_size_m)
    mesh = theirs.extract_triangle_mesh(0.5)  # 1.0 drops voxels that one frame has seen
    truth = Triangles(mesh.vertex.positions.numpy().astype(np.float64), mesh.triangle.indices.numpy())
    error = surface_error(Triangles(ours.vertices.astype(np.float64), ours.faces), truth, (0.01, 0.02, 0.05))
    return {"voxel_mm": 1e3 * voxel_size_m, "frames": len(observations), **error.as_dict()}


def timed(fuse: Callable, frames: list) -> np.ndarray:
    """Wall and CPU seconds f64 [N,2] of one call for each frame."""
    seconds = []
    for frame in frames:
        start = time.perf_counter(), time.process_time()
        fuse(frame)
        seconds.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return np.array(seconds)


def our_side(settings, frames: list) -> tuple[np.ndarray, int]:
    from mapping.fusion.grid import VoxelGrid

    VoxelGrid(settings).integrate(frames[0])  # compiles, or loads what was compiled
    grid = VoxelGrid(settings)
    return timed(grid.integrate, frames), len(grid)


def bound_side(settings, frames: list) -> tuple[np.ndarray, int]:
    """Streams as many bytes as must move: no projection, no lookup, no arithmetic, blocks side by side."""
    from mapping.fusion.grid import VoxelGrid
    from mapping.fusion.voxels import record_words

    grid = VoxelGrid(settings)
    counts = [grid.integrate(frame) for frame in frames]
    words = np.zeros((len(grid), record_words(settings.labels_per_voxel)), np.uint16).view(np.uint64)
    rng = np.random.default_rng(0)
    read, write = streams()
    read(words[0])
    write(words.reshape(-1), np.uint64(0))  # so that every page is there

    def move(work) -> None:
        frame, first, count = work
        for array in (frame.depth_m, frame.image, frame.label_ids, frame.label_probabilities):
            read(array.reshape(-1).view(np.uint64))
        write(words[first : first + count].reshape(-1), np.uint64(0))

    firsts = [int(rng.integers(0, len(grid) - count + 1)) for count in counts]
    return timed(move, list(zip(frames, firsts, counts, strict=True))), len(grid)


@cache
def streams() -> tuple[Callable, Callable]:
    import numba

    @numba.njit(parallel=True, nogil=True)
    def read(words):
        total = np.uint64(0)
        for i in numba.prange(len(words)):
            total += words[i]
        return total

    @numba.njit(parallel=True, nogil=True)
    def write(words, key):
        for i in numba.prange(len(words)):
            words[i] ^= key

    return read, write


def open3d_side(open3d, voxel_size_m: float, frames: list) -> tuple[np.ndarray, int]:
    grid, fuse = open3d_grid(open3d, voxel_size_m)
    return timed(fuse, [open3d_frame(open3d, frame) for frame in frames]), grid.hashmap().size()


def open3d_frame(open3d, o) -> tuple:
    """Depth, colour, K and T_cam_world as it takes them: nothing is converted while the clock runs."""
    core, image = open3d.core, open3d.t.geometry.Image
    pose = core.Tensor(o.camera.K), core.Tensor(np.linalg.inv(o.T_submap_cam))
    return image(o.depth_m), image(o.image.astype(np.float32)), *pose


def open3d_grid(open3d, voxel_size_m: float):
    core, t = open3d.core, open3d.t.geometry
    types, channels = [core.float32] * 3, [(1,), (1,), (3,)]
    grid = t.VoxelBlockGrid(["tsdf", "weight", "color"], types, channels, voxel_size_m, 8, 30_000)

    def fuse(frame: tuple) -> None:
        depth, colour, K, T = frame
        blocks = grid.compute_unique_block_coordinates(depth, K, T, 1.0, FAR_M, 4.0)
        grid.integrate(blocks, depth, colour, K, K, T, 1.0, FAR_M, 4.0)

    return grid, fuse


def recorded(folder: str, count: int) -> list:
    from mapping.fusion.observation import DepthObservation
    from recordings.open_source import open_recording

    observations = []
    with open_recording(Path(folder)) as recording:
        for frame in recording.frames():
            if getattr(frame, "depth_m", None) is not None and frame.T_world_cam is not None:
                observations.append((frame.depth_m, frame.image, frame.camera, frame.T_world_cam))
    chosen = [observations[i] for i in np.linspace(0, len(observations) - 1, min(count, len(observations))).astype(int)]
    return [DepthObservation(*o, **labels_of(o[1])) for o in chosen]


def room_frames(count: int) -> list:
    """A 5 x 2.6 x 4 m room with two boxes in it, seen from a circle."""
    from mapping.fusion.observation import DepthObservation
    from streammtl.camera import Camera

    camera = Camera.pinhole(640, 480, 525, 525, 319.5, 239.5)
    v, u = np.mgrid[:480, :640]
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u)], -1)
    boxes = [((0.2, 0.5, 0.3), (1.0, 1.3, 0.9)), ((-1.4, 0.3, -1.0), (-0.9, 1.3, -0.2))]
    observations = []
    for turn in np.linspace(0, np.pi, count):
        T = np.eye(4)
        c, s = np.cos(turn), np.sin(turn)
        T[:3, :3] = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        T[:3, 3] = -0.9 * s, 0.1 * np.sin(3 * turn), -0.9 * c
        eye, d = T[:3, 3], rays @ T[:3, :3].T
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = np.where(
                d > 0, (np.array([2.5, 1.3, 2.0]) - eye) / d, (np.array([-2.5, -1.3, -2.0]) - eye) / d
            ).min(-1)
            for low, high in boxes:
                a, b = (np.array(low) - eye) / d, (np.array(high) - eye) / d
                enter, leave = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
                depth = np.where((enter < leave) & (enter > 0), np.minimum(depth, enter), depth)
        point = eye + d * depth[..., None]
        image = (127 + 60 * np.sin(7 * point)).astype(np.uint8)
        observations.append(DepthObservation(depth.astype(np.float32), image, camera, T, **labels_of(image)))
    return observations


def labels_of(image: np.ndarray) -> dict[str, np.ndarray]:
    """The two most probable labels of every pixel, as a network gives them: coherent, here by colour."""
    first = (image[..., 0] // 64 + 1).astype(np.uint8)
    ids = np.stack([first, first % 4 + 1], -1)
    return {"label_ids": ids, "label_probabilities": np.tile(np.float32([0.7, 0.2]), (*first.shape, 1))}


if __name__ == "__main__":
    main()
