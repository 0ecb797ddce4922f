"""Voxels as tensors that stay on the device, and their exchange with the arrays of `Blocks`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mapping.fusion.tensors.view import coordinates_of
from mapping.fusion.voxels import COLOUR_ONE, LABEL_MOST, MOST, TSDF_ONE, Units
from mapping.records import BLOCK_SIZE, Blocks

VOXELS = BLOCK_SIZE**3
BLOCKS_AT_ONCE = 1 << 12  # on their way to the CPU


class Voxels(NamedTuple):
    """The voxels of N blocks, (8+2k) bytes each, z fastest; all zero where nothing was seen. Units are those of the
    kernel of the CPU."""

    state: Tensor  # i32 [N,512] tsdf i16 in the high half, weight u16 in the low one
    colour: Tensor  # i32 [N,512] ten bits for each channel, red lowest
    label_ids: Tensor  # u8 [N,k,512]
    label_weights: Tensor  # u8 [N,k,512]

    def to(self, device: torch.device) -> Voxels:
        return Voxels(*(part.to(device) for part in self))

    def take(self, slots: Tensor) -> Voxels:
        """Those of some blocks."""
        return Voxels(*(part[slots] for part in self))

    def put(self, slots: Tensor, voxels: Voxels) -> None:
        """Changes those of some blocks, all different."""
        for part, values in zip(self, voxels, strict=True):
            part[slots] = values

    def grown(self, capacity: int) -> Voxels:
        """The same with empty blocks behind."""
        more = no_voxels(capacity - len(self.state), self.label_ids.shape[1], self.state.device)
        return Voxels(*(torch.cat(parts) for parts in zip(self, more, strict=True)))


def no_voxels(count: int, labels: int, device: torch.device) -> Voxels:
    """Empty blocks with room for so many labels a voxel."""
    words = [torch.zeros((count, VOXELS), dtype=torch.int32, device=device) for _ in range(2)]
    counters = [torch.zeros((count, labels, VOXELS), dtype=torch.uint8, device=device) for _ in range(2)]
    return Voxels(*words, *counters)


def to_blocks(keys: Tensor, voxels: Voxels, units: Units) -> Blocks:
    """Blocks in the order of their keys i64 [N], the labels of each voxel by falling weight, then rising id."""
    count, k, _ = voxels.label_ids.shape
    cube = (count, *(BLOCK_SIZE,) * 3)
    channels = voxels.colour[..., None] >> torch.tensor([0, 10, 20], device=keys.device) & 1023
    ids, weights = voxels.label_ids.transpose(1, 2).int(), voxels.label_weights.transpose(1, 2).int()
    rank = torch.where(weights > 0, weights << 8 | LABEL_MOST - ids, 0).sort(-1, descending=True).values
    return Blocks(
        index=coordinates_of(keys).cpu().numpy(),
        tsdf=((voxels.state >> 16) * np.float32(1 / TSDF_ONE)).reshape(cube).cpu().numpy(),
        weight=((voxels.state & MOST) * np.float32(units.weight)).reshape(cube).cpu().numpy(),
        colour=((channels + COLOUR_ONE // 2) // COLOUR_ONE).clamp(max=255).byte().reshape(*cube, 3).cpu().numpy(),
        label_ids=torch.where(rank > 0, LABEL_MOST - (rank & 255), 0).byte().reshape(*cube, k).cpu().numpy(),
        label_weights=((rank >> 8) * np.float32(units.label)).reshape(*cube, k).cpu().numpy(),
    )


def from_blocks(blocks: Blocks, units: Units) -> Voxels:
    """The voxels of `blocks`, to the nearest unit, on the CPU."""
    flat, k = (len(blocks), VOXELS), blocks.label_ids.shape[-1]
    tsdf = np.rint(blocks.tsdf.reshape(flat) * TSDF_ONE).astype(np.int32)
    weight = np.minimum(np.rint(blocks.weight.reshape(flat) / units.weight), MOST).astype(np.int32)
    colour = blocks.colour.reshape(*flat, 3).astype(np.int32) * COLOUR_ONE
    ids, label_weights = (a.reshape(*flat, k).transpose(0, 2, 1) for a in (blocks.label_ids, blocks.label_weights))
    label_weights = np.minimum(np.rint(label_weights / units.label), LABEL_MOST)
    parts = tsdf << 16 | weight, colour[..., 0] | colour[..., 1] << 10 | colour[..., 2] << 20, ids, label_weights
    types = np.int32, np.int32, np.uint8, np.uint8
    return Voxels(*(torch.from_numpy(np.array(p, t, order="C")) for p, t in zip(parts, types, strict=True)))
