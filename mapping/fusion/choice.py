"""Which grid a submap is fused into: voxels in memory beside the CPU, or on a GPU."""

from __future__ import annotations

import torch

from mapping.fusion.grid import VoxelGrid
from mapping.fusion.settings import FusionSettings
from mapping.fusion.tensors.grid import TensorGrid
from mapping.records import Blocks
from streammtl.models.predictor import choose_device

Grid = VoxelGrid | TensorGrid


def fusion_device(settings: FusionSettings) -> torch.device:
    """Where voxels live. Raises: ConfigError for a device that is unknown or absent."""
    return choose_device(settings.device)


def new_grid(settings: FusionSettings) -> Grid:
    """A grid without blocks. Raises: ConfigError as `fusion_device`."""
    device = fusion_device(settings)
    return VoxelGrid(settings) if device.type == "cpu" else TensorGrid(settings, device)


def grid_from(settings: FusionSettings, blocks: Blocks) -> Grid:
    """A grid that goes on from stored blocks. Raises: MapError as `check_stored`; ConfigError as `fusion_device`."""
    device = fusion_device(settings)
    if device.type == "cpu":
        return VoxelGrid.from_blocks(settings, blocks)
    return TensorGrid.from_blocks(settings, blocks, device)
