"""Fusion as tensor operations: its time on a GPU, and without one the operations and bytes that a frame takes. Run by
benchmarks/fusion.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mapping.fusion.settings import FusionSettings
from mapping.fusion.tensors.frame import frame_of
from mapping.fusion.tensors.grid import Stages, TensorGrid
from mapping.surface.raycast import open3d

VOXELS_M = (0.05, 0.02, 0.01)


def times(device: torch.device, frames: list, rounds: int, compiled: bool) -> list[dict]:
    """Wall milliseconds a frame on a device, allocation included, until it is done there: with what has to be brought
    to it, and without."""
    stages = Stages(*(torch.compile(stage, dynamic=True) for stage in Stages())) if compiled else Stages()
    rows = []
    for voxel_size_m in VOXELS_M:
        settings = FusionSettings(voxel_size_m=voxel_size_m)
        sides = {
            "depth + colour + labels": partial(from_memory, settings, device, stages),
            "the same, frames on the device": partial(from_device, settings, device, stages),
        }
        core = open3d().core
        if device.type == "cuda" and core.cuda.is_available():
            sides["Open3D there, depth + colour"] = partial(
                of_open3d, settings, core.Device(f"CUDA:{device.index or 0}")
            )
        rounds_of = [{what: side(frames) for what, side in sides.items()} for _ in range(rounds)]
        for what in sides:
            seconds = np.min([sides_of[what][0] for sides_of in rounds_of], axis=0)
            row = {"voxel_mm": 1e3 * voxel_size_m, "what": what, "wall_ms": 1e3 * seconds[1:].mean()}
            rows.append(row | {"blocks": rounds_of[0][what][1]})
    return rows


def from_memory(settings, device, stages, frames: list) -> tuple[np.ndarray, int]:
    grid = TensorGrid(settings, device, stages)
    return timed(grid.integrate, [(frame,) for frame in frames], waiting(device)), len(grid)


def from_device(settings, device, stages, frames: list) -> tuple[np.ndarray, int]:
    grid = TensorGrid(settings, device, stages)
    there = [(frame_of(f, device), f.camera, f.T_submap_cam) for f in frames]
    return timed(grid.integrate_frame, there, waiting(device)), len(grid)


def of_open3d(settings, device, frames: list) -> tuple[np.ndarray, int]:
    """Frames on the device already."""
    core, t, voxel = open3d().core, open3d().t.geometry, settings.voxel_size_m
    grid = t.VoxelBlockGrid(
        ["tsdf", "weight", "color"], [core.float32] * 3, [(1,), (1,), (3,)], voxel, 8, 30_000, device
    )
    reach = settings.truncation_m / voxel

    def fuse(depth, colour, K, T) -> None:
        blocks = grid.compute_unique_block_coordinates(depth, K, T, 1.0, settings.far_m, reach)
        grid.integrate(blocks, depth, colour, K, K, T, 1.0, settings.far_m, reach)

    there = [
        (
            t.Image(o.depth_m).to(device),
            t.Image(o.image.astype(np.float32)).to(device),
            core.Tensor(o.camera.K),
            core.Tensor(np.linalg.inv(o.T_submap_cam)),
        )
        for o in frames
    ]
    return timed(fuse, there, partial(core.cuda.synchronize, device)), grid.hashmap().size()


def waiting(device: torch.device) -> Callable[[], None]:
    """What returns when everything asked of a device is done."""
    return partial(torch.cuda.synchronize, device) if device.type == "cuda" else lambda: None


def timed(fuse: Callable, frames: list[tuple], wait: Callable[[], None]) -> np.ndarray:
    """Wall seconds f64 [N] of one call for each frame."""
    seconds = []
    for frame in frames:
        wait()
        start = time.perf_counter()
        fuse(*frame)
        wait()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)


class Operations(TorchDispatchMode):
    """Counts operations that do something on the device, and the bytes that they read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.count = self.bytes = 0

    def __torch_dispatch__(self, operation, types, arguments=(), named=None):
        result = operation(*arguments, **(named or {}))
        read = [t for t in tree_leaves((arguments, named)) if isinstance(t, torch.Tensor)]
        written = [t for t in tree_leaves(result) if isinstance(t, torch.Tensor)]
        name, changes = operation.overloadpacket.__name__, operation._schema.is_mutable
        stored = {t.untyped_storage().data_ptr() for t in read if t.numel()}
        is_view = not changes and any(t.numel() and t.untyped_storage().data_ptr() in stored for t in written)
        if is_view or name == "scalar_tensor":  # a number in its own right: it travels with the kernel that takes it
            return result
        if name in ("index", "index_put_"):  # of the table only what is asked for
            read, written = read[1:], [t for t in written if not changes] * 2
        self.count += 1
        self.bytes += sum(t.nbytes for t in read + written)
        return result


def operations(frames: list) -> list[dict]:
    """Operations and bytes of a frame that is there already, mean over the frames after the first. Counted on the CPU;
    a GPU is asked for the same operations, most of them one kernel each."""
    rows = []
    for voxel_size_m in VOXELS_M:
        grid, counts = TensorGrid(FusionSettings(voxel_size_m=voxel_size_m), torch.device("cpu")), []
        for frame in frames:
            there = frame_of(frame, grid.device)
            with Operations() as counted:
                blocks = grid.integrate_frame(there, frame.camera, frame.T_submap_cam)
            counts.append((counted.count, counted.bytes / 1e6, blocks))
        count, megabytes, blocks = np.mean(counts[1:], axis=0)
        rows.append({"voxel_mm": 1e3 * voxel_size_m, "operations": count, "megabytes": megabytes, "blocks": blocks})
    return rows
