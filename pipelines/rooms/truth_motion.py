"""Optical flow and scene flow from exact geometry."""

from __future__ import annotations

import numpy as np
import torch

from mapping.surface.room_rays import part_pose
from streammtl.data.rooms.scene import MovingPart


def moved_points(
    points: torch.Tensor, part: torch.Tensor, moving: list[MovingPart], from_s: float, to_s: float
) -> torch.Tensor:
    """f64 [3,n] where surface points f32 [3,n] seen at `from_s` are at `to_s`.

    `part` i64 [n] says which of `moving` a point belongs to; -1 stays where it is.
    """
    points = points.double()
    for index, one in enumerate(moving):
        some = (part == index).nonzero().squeeze(1)
        step = torch.from_numpy(part_pose(one, to_s) @ np.linalg.inv(part_pose(one, from_s)))
        points[:, some] = step[:3, :3] @ points[:, some] + step[:3, 3:]
    return points


def projected(points: torch.Tensor, K: np.ndarray, T_world_cam: np.ndarray) -> torch.Tensor:
    """f64 [2,n] pixels of points f64 [3,n]; NaN behind the camera."""
    T_cam_world = torch.from_numpy(np.linalg.inv(T_world_cam))
    x, y, z = T_cam_world[:3, :3] @ points + T_cam_world[:3, 3:]
    z = torch.where(z > 1e-3, z, torch.nan)
    return torch.stack([x / z * K[0, 0] + K[0, 2], y / z * K[1, 1] + K[1, 2]])
