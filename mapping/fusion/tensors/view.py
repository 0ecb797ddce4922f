"""Which blocks a frame can touch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mapping.fusion.block_index import REACH, check_reach
from mapping.fusion.settings import FusionSettings
from mapping.fusion.tensors.frame import TILE, WINDOW, Lens
from mapping.records import BLOCK_SIZE
from streammtl.camera import Camera

BLOCKS_AT_ONCE = 1 << 20  # that are looked at, so that memory stays bounded
ROUNDING_M = 1e-5
TINY_M = 1e-6
VOXELS = np.indices((BLOCK_SIZE,) * 3).reshape(3, -1).T  # i64 [512,3], coordinates in a block


class View(NamedTuple):
    """The box of blocks around what the camera can see. Lengths in the camera's axes, x and y times the focal length.

    A block's first voxel lies at the sum of one row of each of x, y, z.
    """

    keys: tuple[Tensor, Tensor, Tensor]  # i64 [nx], [ny], [nz]; their sum is the key of a block
    origins: tuple[Tensor, Tensor, Tensor]  # f64 [nx,3], [ny,3], [nz,3] m
    offsets: Tensor  # f32 [3,512] m, from a block's first voxel to each of its voxels, z fastest
    middle: Tensor  # f32 [3] m, from a block's first voxel to its middle
    reach: Tensor  # f32 [3] m, from a block's middle to its outermost voxels


def view_of(camera: Camera, T_grid_cam: np.ndarray, settings: FusionSettings, device: torch.device) -> View:
    """Raises: GeometryError for a camera out of the grid's reach."""
    block_m = settings.voxel_size_m * BLOCK_SIZE
    low, high = box = _box(camera, T_grid_cam, settings, block_m)
    check_reach(box)
    R, t = T_grid_cam[:3, :3] * (camera.fx, camera.fy, 1.0), T_grid_cam[:3, 3]
    counts = [*(high - low + 1), len(VOXELS), 1, 1]
    rows = [np.arange(low[a], high[a] + 1)[:, None] * block_m * R[a] - t[a] * R[a] for a in range(3)]
    half = 0.5 * (BLOCK_SIZE - 1) * settings.voxel_size_m
    rows += [VOXELS * settings.voxel_size_m @ R, half * R.sum(0, keepdims=True), half * np.abs(R).sum(0, keepdims=True)]
    x, y, z, offsets, middle, reach = torch.from_numpy(np.concatenate(rows)).to(device).split([int(n) for n in counts])
    keys = tuple(
        torch.arange((int(low[a]) + REACH) << bit, (int(high[a]) + 1 + REACH) << bit, 1 << bit, device=device)
        for a, bit in enumerate((42, 21, 0))
    )
    return View(keys, (x, y, z), offsets.T.float(), middle[0].float(), reach[0].float())


def _box(camera: Camera, T_grid_cam: np.ndarray, settings: FusionSettings, block_m: float) -> np.ndarray:
    """First and last block i64 [2,3] around the view, as far as the band of the farthest depth reaches."""
    farthest = settings.far_m + 1.5 * settings.truncation_m  # slopes reach by up to half a truncation
    u, v = np.array([-0.5, camera.width - 0.5] * 2), np.repeat([-0.5, camera.height - 0.5], 2)
    corners = farthest * np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(4)], -1)
    corners = np.concatenate([corners, np.zeros((1, 3))]) @ T_grid_cam[:3, :3].T + T_grid_cam[:3, 3]
    margin = block_m  # the first voxel of a block names it
    return np.floor(np.stack([corners.min(0) - margin, corners.max(0) + ROUNDING_M]) / block_m).astype(np.int64)


def coordinates_of(keys: Tensor) -> Tensor:
    """Block coordinates i32 [N,3] of their keys i64 [N]."""
    bits = torch.tensor([42, 21, 0], device=keys.device)
    return ((keys[:, None] >> bits & (2 * REACH - 1)) - REACH).int()


def keys_of(coordinates: Tensor) -> Tensor:
    """The inverse of `coordinates_of`."""
    x, y, z = (coordinates.long() + REACH).unbind(-1)
    return x << 42 | y << 21 | z


def blocks_in_view(view: View, tiles: Tensor, lens: Lens) -> tuple[Tensor, Tensor]:
    """Every block that holds a voxel some pixel could update, each once: keys i64 [N], rising; origins f32 [N,3]."""
    (x, y, z), (key_x, key_y, key_z) = view.origins, view.keys
    step = max(1, BLOCKS_AT_ONCE // (len(y) * len(z)))
    parts = []
    for slab, slab_keys in zip(x.split(step), key_x.split(step), strict=True):
        origins = (slab[:, None, None] + y[:, None] + z).flatten(0, 2).float()
        keys = (slab_keys[:, None, None] + key_y[:, None] + key_z).flatten()
        found = reached(origins, view.middle, view.reach, tiles, lens).nonzero()[:, 0]
        parts.append((keys[found], origins[found]))
    keys, origins = zip(*parts, strict=True)
    return torch.cat(keys), torch.cat(origins)


def reached(origins: Tensor, middle: Tensor, reach: Tensor, tiles: Tensor, lens: Lens) -> Tensor:
    """bool [N]: whether some tile that a block with this origin f32 [N,3] may project to reaches its depths.

    A voxel that is updated projects into some tile and lies within that tile's depths, so no block is missed, however
    oblique the surface. Tiles are looked at on the level where a block covers few of them.
    """
    centre = origins + middle
    nearest = centre[:, 2:] - reach[2] - ROUNDING_M
    farthest = centre[:, 2:] + reach[2] + ROUNDING_M
    sides = torch.stack([-reach[:2], reach[:2]])
    ends = centre[:, None, :2] + sides  # [N,2,2]: low and high, along u and v
    before = nearest.clamp(min=TINY_M)[:, None]
    behind = farthest.clamp(min=TINY_M)[:, None]
    ends = ends / torch.where((ends < 0) == (sides < 0), before, behind) + lens.ends
    on_image = ((ends[:, 1] >= 0) & (ends[:, 0] < lens.size)).all(1)
    tile = (ends.clamp(min=0).minimum(lens.size - 1) * (1 / TILE)).long()
    low, high = tile.unbind(1)
    level = lens.level_of[(high - low).amax(1)]
    steps = torch.arange(WINDOW, device=origins.device)
    places = ((low >> level[:, None])[..., None] + steps).minimum((high >> level[:, None])[..., None])
    rows = lens.first_tile[level][:, None] + places[:, 1] * lens.tile_columns[level][:, None]
    near_far = tiles[rows[:, :, None] + places[:, 0, None, :]]  # [N,WINDOW,WINDOW,2]
    depths = torch.cat([-farthest, nearest], 1)
    return (near_far >= depths[:, None, None]).all(-1).flatten(1).any(1) & on_image
