"""Blocks filled from a distance function, and what the surface tests measure on meshes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mapping.records import BLOCK_SIZE, Blocks


def points_of(index: np.ndarray, voxel_size_m: float) -> np.ndarray:
    """Sample points f64 [M,8,8,8,3] of blocks i32 [M,3]."""
    within = np.stack(np.meshgrid(*[np.arange(BLOCK_SIZE)] * 3, indexing="ij"), -1)
    return (index[:, None, None, None].astype(float) * BLOCK_SIZE + within) * voxel_size_m


def filled_blocks(
    distance: Callable[[np.ndarray], np.ndarray],
    low: tuple[int, int, int],
    high: tuple[int, int, int],
    voxel_size_m: float,
    truncation_m: float,
    k: int = 2,
) -> Blocks:
    """Blocks low <= index < high with the truncated distance of their points; colour and label change along x and z."""
    index = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), -1).reshape(-1, 3).astype(np.int32)
    points = points_of(index, voxel_size_m)
    tsdf = distance(points) / truncation_m
    weight = np.where(np.abs(tsdf) <= 1, 1.0, 0.0).astype(np.float32)
    tsdf = tsdf * (weight > 0)
    colour = np.clip(
        np.stack([100 + 50 * points[..., 0], 0 * points[..., 0] + 200, 10 + 0 * points[..., 0]], -1), 0, 255
    )
    ids = np.zeros((*weight.shape, k), np.uint8)
    ids[..., 0] = np.where(points[..., 2] > 0, 5, 3) * (weight > 0)
    label_weights = np.zeros(ids.shape, np.float32)
    label_weights[..., 0] = 2.0 * (weight > 0)
    holds = weight.reshape(len(index), -1).any(1)
    colour = colour * (weight > 0)[..., None]
    arrays = (index, tsdf.astype(np.float32), weight, colour.astype(np.uint8), ids, label_weights)
    return Blocks(*(array[holds] for array in arrays))


def sphere(radius: float, centre=(0.0, 0.0, 0.0)) -> Callable[[np.ndarray], np.ndarray]:
    return lambda points: np.linalg.norm(points - np.array(centre), axis=-1) - radius


def edge_balance(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How often each edge between two vertices is run through in one direction and in the other, i64 [E] each."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    pair, place = np.unique(edges.min(1) * (edges.max() + 1) + edges.max(1), return_inverse=True)
    rising = edges[:, 0] < edges[:, 1]
    return np.bincount(place[rising], minlength=len(pair)), np.bincount(place[~rising], minlength=len(pair))


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, i]].astype(np.float64) for i in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def area(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, i]].astype(np.float64) for i in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)
