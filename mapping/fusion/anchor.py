"""Where a new submap's frame lies in the world."""

from __future__ import annotations

import numpy as np

from mapping.fusion.observation import check_rigid
from mapping.fusion.settings import FusionSettings
from mapping.records import BLOCK_SIZE


def new_anchor(T_world_cam: np.ndarray, settings: FusionSettings) -> np.ndarray:
    """The anchor T_world_submap f64 [4,4] of a submap that starts at a camera: the block corner nearest.

    Translations by whole blocks keep all submaps on one grid until a correction moves them, so that they merge exactly.
    Raises: GeometryError for a pose that is not rigid.
    """
    check_rigid(T_world_cam, "T_world_cam")
    block_m = settings.voxel_size_m * BLOCK_SIZE
    T_world_submap = np.eye(4)
    T_world_submap[:3, 3] = np.round(T_world_cam[:3, 3] / block_m) * block_m
    return T_world_submap


def whole_blocks(T_world_submap: np.ndarray, voxel_size_m: float) -> np.ndarray | None:
    """The translation i64 [3] in blocks of an anchor that lies on the grid, as new ones do, or None for a moved one."""
    blocks = T_world_submap[:3, 3] / (voxel_size_m * BLOCK_SIZE)
    on_grid = np.abs(blocks - np.round(blocks)).max() < 1e-6 and np.abs(T_world_submap[:3, :3] - np.eye(3)).max() < 1e-9
    return np.round(blocks).astype(np.int64) if on_grid else None
