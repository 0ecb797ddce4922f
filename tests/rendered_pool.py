"""A tiny pool of clips with exact truth: a textured room of planes and boxes, seen along a path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streammtl.data.clip import Clip

SIZE = (96, 128)
FRAMES = 8


def room_clip(seed: int, size: tuple[int, int] = SIZE, frames: int = FRAMES) -> Clip:
    """A box room with two boxes in it; every surface has a label of its own and a texture of waves."""
    rng = np.random.default_rng(seed)
    half = rng.uniform((1.5, 1.1, 1.8), (2.5, 1.5, 3.0))
    low, high = -half, half
    boxes = [(low, high)]  # the room itself is met from inside
    for _ in range(2):
        corner = rng.uniform(low * 0.7, high * 0.4)
        corner[1] = high[1] - rng.uniform(0.4, 0.9)  # y points down: they stand on the floor
        top = corner + rng.uniform(0.3, 0.8, 3)
        top[1] = high[1]
        boxes.append((corner, top))
    wave = rng.normal(size=(3, 24)) * 7
    K = np.array([[size[1] * 0.9, 0, (size[1] - 1) / 2], [0, size[1] * 0.9, (size[0] - 1) / 2], [0, 0, 1]], np.float32)
    T = path_of_poses(rng, half, frames)
    seen = [trace(boxes, K, pose, size, wave) for pose in T]
    images, depth, normals, labels = (np.stack(maps) for maps in zip(*seen, strict=True))
    edges = np.zeros_like(labels)
    edges[:, :, 1:] |= labels[:, :, 1:] != labels[:, :, :-1]
    edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    return Clip(images, depth, normals, labels, edges, K, T, np.arange(frames) / 10.0, flow=still_flow(depth, K, T))


def still_flow(depth: np.ndarray, K: np.ndarray, T: np.ndarray) -> np.ndarray:
    """Pixels f16 [F,H,W,2] that a scene without motion moves by to the next frame; NaN in the last."""
    flow = np.full((*depth.shape, 2), np.nan, np.float16)
    v, u = np.mgrid[: depth.shape[1], : depth.shape[2]]
    rays = np.stack((u, v, np.ones_like(u)), -1) @ np.linalg.inv(K.astype(np.float64)).T
    for frame in range(len(depth) - 1):
        T_next_now = np.linalg.inv(T[frame + 1]) @ T[frame]
        seen = (rays * depth[frame][..., None].astype(np.float64)) @ T_next_now[:3, :3].T + T_next_now[:3, 3]
        there = seen @ K.T
        flow[frame] = there[..., :2] / there[..., 2:] - np.stack((u, v), -1)
    return flow


def path_of_poses(rng: np.random.Generator, half: np.ndarray, frames: int) -> np.ndarray:
    """Poses f64 [F,4,4]: a walk of 8 cm a frame with a slow turn."""
    T = np.tile(np.eye(4), (frames, 1, 1))
    heading, turn = rng.uniform(0, 2 * np.pi), rng.uniform(-0.04, 0.04)
    position = rng.uniform(-0.3, 0.3, 3) * half
    for frame in range(frames):
        yaw = heading + turn * frame
        T[frame, :3, :3] = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
        T[frame, :3, 3] = position + 0.08 * frame * T[frame, :3, 0]
    return T


def trace(boxes: list, K: np.ndarray, T: np.ndarray, size: tuple[int, int], wave: np.ndarray) -> tuple:
    """Image u8, depth f16, normals i8 and labels u8 of axis-aligned boxes, the first seen from inside."""
    v, u = np.mgrid[: size[0], : size[1]]
    rays = np.stack((u, v, np.ones_like(u)), -1) @ np.linalg.inv(K.astype(np.float64)).T  # z = 1
    world = rays @ T[:3, :3].T
    centre, depth = T[:3, 3], np.full(size, np.inf)
    axis, number = np.zeros(size, int), np.zeros(size, int)
    for index, (low, high) in enumerate(boxes):
        with np.errstate(divide="ignore"):
            enter = np.where(world > 0, low - centre, high - centre) / world
            leave = np.where(world > 0, high - centre, low - centre) / world
        if index == 0:
            t, side = leave.min(-1), leave.argmin(-1)
        else:
            t, side = enter.max(-1), enter.argmax(-1)
            t = np.where((t < leave.min(-1)) & (t > 0.05), t, np.inf)
        nearer = t < depth
        depth, axis, number = np.where(nearer, t, depth), np.where(nearer, side, axis), np.where(nearer, index, number)
    normal = np.eye(3)[axis] * -np.sign(np.take_along_axis(world, axis[..., None], -1))
    points = centre + world * depth[..., None]
    shade = 0.5 + 0.2 * np.sin(points @ wave).reshape(*size, 3, -1).sum(-1) / np.sqrt(wave.shape[1] / 3)
    labels = 1 + 3 * number + axis
    tint = 0.6 + 0.4 * np.sin(labels[..., None] * np.array([1.0, 2.3, 3.1]))
    image = np.clip(shade * tint, 0, 1)
    return (
        (image * 255).astype(np.uint8),
        depth.astype(np.float16),
        np.round(normal @ T[:3, :3] * 127).astype(np.int8),
        labels.astype(np.uint8),
    )


@pytest.fixture(scope="session")
def pool(tmp_path_factory) -> Path:
    """A folder of three clips."""
    folder = tmp_path_factory.mktemp("pool")
    for seed in range(3):
        room_clip(seed).save(folder / f"{seed:04}.npz")
    return folder


TINY = {
    "model": {
        "name": "cvm-lite",
        "encoder": "tiny",
        "cross_view_channels": 16,
        "cross_view_layers": 1,
        "num_planes": 16,
    },
    "stages": [
        {"steps": 4, "height": 64, "width": 96, "batch_size": 2},
        {"steps": 2, "height": 96, "width": 128, "batch_size": 2},
    ],
    "optimiser": {"freeze_encoder_stages": 0, "warmup_steps": 2},
    "log_steps": 2,
    "torch_threads": 1,
}


@pytest.fixture
def tiny(pool):
    """Plain values of a training that takes a moment."""
    return TINY | {"data": {"pool": str(pool), "threads": 1, "prefetch": 2}}
