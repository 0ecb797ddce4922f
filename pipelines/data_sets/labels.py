"""From what files hold to truth in this project's conventions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipelines.data_sets.file_footage import Truth
from streammtl.tasks.spec import IGNORE

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
