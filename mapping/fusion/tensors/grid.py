"""The voxel grid that an open submap is fused into, where its voxels live on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mapping.fusion.observation import DepthObservation
from mapping.fusion.precision import from_stored, to_stored
from mapping.fusion.settings import FusionSettings
from mapping.fusion.stored_blocks import check_stored
from mapping.fusion.tensors.frame import Frame, Lens, frame_of, lens_of
from mapping.fusion.tensors.pixels import Pixels, weigh_pixels
from mapping.fusion.tensors.update import measure, update
from mapping.fusion.tensors.view import blocks_in_view, keys_of, view_of
from mapping.fusion.tensors.voxels import BLOCKS_AT_ONCE, Voxels, from_blocks, no_voxels, to_blocks
from mapping.fusion.voxels import units_of
from mapping.records import Blocks
from streammtl.camera import Camera

FIRST_CAPACITY = 512  # blocks
KNOWN, NEW, UNTOUCHED = 0, 1, 2


class Stages(NamedTuple):
    """What a frame goes through, as functions of tensors alone, so that each can be compiled."""

    weigh: Callable[..., Pixels] = weigh_pixels
    find: Callable[..., tuple[Tensor, Tensor]] = blocks_in_view
    measure: Callable[..., tuple[Tensor, Tensor, Tensor]] = measure
    update: Callable[..., Voxels] = update


class TensorGrid:
    """A `VoxelGrid` whose voxels stay on a device of PyTorch; the same to rounding. Any device will do, for tests."""

    def __init__(self, settings: FusionSettings, device: torch.device, stages: Stages = Stages()) -> None:
        self.settings = settings
        self.device = device
        self._stages = stages
        self._lens: tuple[Camera, Lens] | None = None
        self._keys = torch.tensor([torch.iinfo(torch.int64).max], device=device)  # rising, and an end that is no block
        self._slots = torch.tensor([-1], device=device)  # of each key, in the voxels
        self._voxels = no_voxels(FIRST_CAPACITY, settings.labels_per_voxel, device)

    def __len__(self) -> int:
        return len(self._keys) - 1

    @property
    def memory_bytes(self) -> int:
        """Bytes of the blocks in use, on the device."""
        return len(self) * sum(part[0].nbytes for part in (self._keys, self._slots, *self._voxels))

    def integrate(self, observation: DepthObservation) -> int:
        """Fuses one frame; gives the number of blocks it changed, 0 for a frame without usable depth.

        Raises: ShapeError, CameraError, GeometryError for an observation that does not fit together.
        """
        observation.check()
        T = np.asarray(observation.T_submap_cam, np.float64)
        return self.integrate_frame(frame_of(observation, self.device), observation.camera, T)

    def integrate_frame(self, frame: Frame, camera: Camera, T_grid_cam: np.ndarray) -> int:
        """`integrate` for a frame that is on the device already."""
        settings, stages, lens = self.settings, self._stages, self._lens_of(camera)
        view = view_of(camera, T_grid_cam, settings, self.device)
        pixels = stages.weigh(frame, lens, settings)
        keys, origins = stages.find(view, pixels.tiles, lens)
        distance, pixel, touched = stages.measure(origins, view.offsets, pixels.geometry, lens, settings.truncation_m)
        place = torch.searchsorted(self._keys, keys)
        kind = torch.where(touched, (self._keys[place] != keys).long(), UNTOUCHED)
        order = kind.argsort(stable=True)
        known, new = torch.stack([(kind == KNOWN).sum(), (kind == NEW).sum()]).tolist()  # waits for the device
        order = order[: known + new]
        slots = torch.cat([self._slots[place[order[:known]]], self._add(keys[order[known:]])])
        seen = pixels.content[pixel[order]]
        self._voxels.put(slots, stages.update(self._voxels.take(slots), distance[order], seen, settings))
        return known + new

    def blocks(self) -> Blocks:
        """A copy of all blocks in the memory of the CPU, sorted by index, with labels by falling weight."""
        units = units_of(self.settings)
        keys, slots = self._keys[:-1].split(BLOCKS_AT_ONCE), self._slots[:-1].split(BLOCKS_AT_ONCE)
        parts = [to_blocks(k, self._voxels.take(s), units) for k, s in zip(keys, slots, strict=True)]
        return Blocks(*(np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])))

    @classmethod
    def from_blocks(cls, settings: FusionSettings, blocks: Blocks, device: torch.device) -> TensorGrid:
        """A grid that goes on from stored blocks.

        Raises: MapError as `check_stored`.
        """
        check_stored(blocks, settings)
        grid = cls(settings, device)
        keys, order = keys_of(torch.from_numpy(blocks.index)).to(device).sort()
        grid._voxels.put(grid._add(keys), from_blocks(blocks, units_of(settings)).to(device).take(order))
        return grid

    def round_to_stored(self) -> None:
        """Rounds voxels to what the store keeps, so that a run resumed from here and this one go on identically."""
        kept = from_stored(to_stored(self.blocks()))
        self._voxels.put(self._slots[:-1], from_blocks(kept, units_of(self.settings)).to(self.device))

    def _add(self, keys: Tensor) -> Tensor:
        """Makes room for blocks that are not there yet, and gives their slots; their voxels are empty."""
        first, count = len(self), len(keys)
        capacity = len(self._voxels.state)
        if first + count > capacity:
            self._voxels = self._voxels.grown(max(first + count, capacity + capacity // 2))
        slots = torch.arange(first, first + count, device=self.device)
        if not count:
            return slots
        self._keys, order = torch.cat([keys, self._keys]).sort()
        self._slots = torch.cat([slots, self._slots])[order]
        return slots

    def _lens_of(self, camera: Camera) -> Lens:
        if self._lens is None or self._lens[0] != camera:
            self._lens = camera, lens_of(camera, self.device)
        return self._lens[1]
