"""From what files hold to truth in this project's conventions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from pipelines.data_sets.file_footage import Truth
from streammtl.geometry import normals_from_depth
from streammtl.tasks.spec import IGNORE

STEP = 0.05  # relative change of depth between neighbours across which no surface goes on
UNIT = (0.5, 1.5)  # lengths of stored normals that are normals; others mark pixels without


def depth_truth(depth_m: np.ndarray) -> Truth:
    """Depth in metres, valid where it is finite and positive."""
    return depth_m, np.isfinite(depth_m) & (depth_m > 0)


def shifted_classes(ids: np.ndarray) -> Truth:
    """Class indices of ids that count from 1, 0 being unlabelled."""
    known = (ids > 0) & (ids < IGNORE)
    return np.where(known, ids.astype(np.int64) - 1, IGNORE), known


def mapped_classes(ids: np.ndarray, indices: Mapping[int, int]) -> Truth:
    """Class indices of ids by a table; ids that it does not name are not valid."""
    table = np.full(max(int(ids.max(initial=0)), *indices) + 1, IGNORE, np.int64)
    table[list(indices)] = list(indices.values())
    found = table[np.maximum(ids, 0)]
    known = (found != IGNORE) & (ids >= 0)
    return np.where(known, found, IGNORE), known


def normal_truth(vectors: np.ndarray) -> Truth:
    """Unit normals of vectors [H,W,3] in OpenCV axes that face the camera, valid where they are about unit length."""
    length = np.linalg.norm(vectors, axis=-1)
    known = (length > UNIT[0]) & (length < UNIT[1])
    return vectors / np.where(known, length, 1)[..., None], known


def coded_vectors(colours: np.ndarray) -> np.ndarray:
    """f32 [H,W,3] in -1..1 of u8 [H,W,3]."""
    return colours.astype(np.float32) * (2 / 255) - 1


def normals_of_depth(depth_m: np.ndarray, known: np.ndarray, K: np.ndarray) -> Truth:
    """Unit normals of exact depth [H,W], valid where depth goes on smoothly to all four neighbours."""
    filled = np.where(known, depth_m, 1).astype(np.float32)
    normals = normals_from_depth(torch.from_numpy(filled)[None, None], torch.from_numpy(np.array(K, np.float32))[None])
    smooth = known.copy()
    for axis in (0, 1):
        for direction in (1, -1):
            there = np.roll(filled, direction, axis)
            smooth &= np.roll(known, direction, axis) & (np.abs(there - filled) < STEP * filled)
    smooth[[0, -1]] = False
    smooth[:, [0, -1]] = False
    return normals[0].permute(1, 2, 0).numpy(), smooth


def motion_of_points(now: Truth, after: Truth, flow: Truth, K: np.ndarray) -> Truth:
    """Scene flow [H,W,3] of each pixel's point, from its depth before and after and its flow, pixels [H,W,2].

    Convention: the point in the next frame's camera axes minus the point in this frame's, so that a camera that moves
    moves everything.
    """
    v, u = np.indices(now[0].shape)
    K_inverse = np.linalg.inv(K.astype(np.float64))

    def points(depth: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
        return np.stack((column, row, np.ones_like(column)), -1) @ K_inverse.T * depth[..., None]

    begun = points(now[0], u.astype(np.float64), v.astype(np.float64))
    ended = points(after[0], u + flow[0][..., 0].astype(np.float64), v + flow[0][..., 1].astype(np.float64))
    known = now[1] & after[1] & flow[1]
    return np.where(known[..., None], ended - begun, 0).astype(np.float32), known
