"""Exact truth at the pixel centres of one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from pipelines.rooms.render_settings import RenderSettings
from pipelines.rooms.shading_surfaces import Surfaces, SurfaceTable
from pipelines.rooms.truth_boundaries import boundaries


@dataclass(frozen=True)
class FrameTruth:
    """Truth of one frame as streammtl.data.clip.Clip keeps it.

    Normals are those of the flat triangles, so they agree with depth even where shading is smooth.
    """

    depth_m: np.ndarray  # f32 [H,W]
    normals: np.ndarray  # i8 [H,W,3]
    labels: np.ndarray  # u8 [H,W]
    instances: np.ndarray  # u16 [H,W]
    boundaries: np.ndarray  # u8 [H,W]
    moving: np.ndarray  # bool [H,W]


def frame_truth(
    found: Surfaces,
    table: SurfaceTable,
    T_world_cam: np.ndarray,
    size: tuple[int, int],
    settings: RenderSettings,
) -> FrameTruth:
    """Truth from what the rays through all pixel centres found, row by row; `size` is (height, width)."""
    to_camera = torch.from_numpy(T_world_cam[:3, :3].T.astype(np.float32))
    labels = torch.where(found.hit, table.label[found.triangle], 0).reshape(size)
    normals = (to_camera @ found.face_normal) * found.hit
    depth = found.depth_m.reshape(size)
    instances = torch.where(found.hit, table.instance[found.triangle], 0).reshape(size)
    return FrameTruth(
        depth_m=depth.numpy(),
        normals=(normals * 127).round_().to(torch.int8).t().reshape(*size, 3).contiguous().numpy(),
        labels=labels.numpy(),
        instances=instances.numpy().astype(np.uint16),
        boundaries=boundaries(
            depth, found.shading_normal.reshape(3, *size), labels, settings.depth_step, settings.crease_deg
        ).numpy(),
        moving=((table.part[found.triangle] >= 0) & found.hit).reshape(size).numpy(),
    )
