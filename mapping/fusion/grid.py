"""The voxel grid that an open submap is fused into."""

from __future__ import annotations

import numpy as np

from mapping.fusion.allocation import blocks_in_view
from mapping.fusion.block_index import BlockIndex, check_reach, unique_blocks
from mapping.fusion.integration import Projection, VoxelRules, integrate_blocks
from mapping.fusion.observation import DepthObservation
from mapping.fusion.pixels import Intrinsics, PixelBuffers, greatest_slope, weigh_pixels
from mapping.fusion.precision import from_stored, to_stored
from mapping.fusion.settings import FusionSettings
from mapping.fusion.voxels import MOST, empty_records, from_blocks, to_blocks, units_of
from mapping.records import Blocks
from streammtl.errors import MapError

FIRST_CAPACITY = 512  # blocks


class VoxelGrid:
    """Blocks of 8x8x8 voxels around the surfaces seen so far, in the frame of one submap.

    The result depends on the observations and their order only, not on the number of threads.
    """

    def __init__(self, settings: FusionSettings) -> None:
        self.settings = settings
        self._units = units_of(settings)
        self._pixels: PixelBuffers | None = None
        self._index = BlockIndex()
        self._coordinates = np.zeros((FIRST_CAPACITY, 3), np.int32)
        self._records = empty_records(FIRST_CAPACITY, settings.labels_per_voxel)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def memory_bytes(self) -> int:
        """Bytes of the blocks in use and of the hash table."""
        per_block = self._records[0].nbytes + self._coordinates[0].nbytes
        return len(self) * per_block + self._index.nbytes

    def integrate(self, observation: DepthObservation) -> int:
        """Fuses one frame; gives the number of blocks it changed, 0 for a frame without usable depth.

        Raises: ShapeError, CameraError, GeometryError for an observation that does not fit together.
        """
        observation.check()
        settings, camera, T = self.settings, observation.camera, np.asarray(observation.T_submap_cam, np.float64)
        k = Intrinsics(camera.fx, camera.fy, camera.cx, camera.cy)
        size = observation.depth_m.shape
        m = 0 if observation.label_ids is None else observation.label_ids.shape[2]
        if self._pixels is None or (self._pixels.size, self._pixels.m) != (size, m):
            self._pixels = PixelBuffers(size, m, greatest_slope(settings))
        maps = weigh_pixels(observation, settings, self._pixels)
        coordinates = blocks_in_view(maps, k, size, T, settings.voxel_size_m)
        if not len(coordinates):
            return 0
        check_reach(coordinates)
        slots = self._index.find(coordinates)
        is_new = slots < 0
        # new blocks are tried in the free slots at the end; only those that a voxel was updated in stay
        slots[is_new] = len(self) + np.arange(np.count_nonzero(is_new), dtype=np.int32)
        self._reserve(len(self) + np.count_nonzero(is_new))
        updated = integrate_blocks(
            coordinates,
            slots,
            self._records,
            maps,
            Projection(
                *k, camera.width, camera.height, np.ascontiguousarray(T[:3, :3]), np.ascontiguousarray(T[:3, 3])
            ),
            VoxelRules(
                settings.voxel_size_m,
                settings.truncation_m,
                min(settings.max_weight / self._units.weight, MOST),
                self._units.label / self._units.weight,
                settings.label_band * settings.truncation_m,
                settings.free_space_weight,
            ),
            tuple(range(settings.labels_per_voxel)),
        )
        self._keep(coordinates[is_new & (updated > 0)], slots[is_new & (updated > 0)])
        return int(np.count_nonzero(updated))

    def blocks(self) -> Blocks:
        """A copy of all blocks, sorted by index, with the labels of each voxel by falling weight."""
        count = len(self)
        order = np.lexsort(self._coordinates[:count].T[::-1])
        return to_blocks(self._coordinates[order], self._records[order], self._units)

    @classmethod
    def from_blocks(cls, settings: FusionSettings, blocks: Blocks) -> VoxelGrid:
        """A grid that goes on from stored blocks.

        Raises: MapError when a block appears twice or the number of labels per voxel is not that of the settings.
        """
        count, k = len(blocks), settings.labels_per_voxel
        if len(unique_blocks(np.ascontiguousarray(blocks.index, np.int32))) != count:
            raise MapError(
                "the same block appears twice among stored blocks; the submap is damaged, map the recording again"
            )
        if blocks.label_ids.shape[-1] != k:
            raise MapError(
                f"blocks keep {blocks.label_ids.shape[-1]} labels per voxel, fusion.labels_per_voxel is {k}; a map "
                "is continued with the settings it was begun with."
            )
        grid = cls(settings)
        grid._reserve(count)
        grid._index.add(np.ascontiguousarray(blocks.index, np.int32))
        grid._coordinates[:count] = blocks.index
        grid._records[:count] = from_blocks(blocks, grid._units)
        return grid

    def round_to_stored(self) -> None:
        """Rounds memory to what the store keeps, so that a run resumed from here and this one go on identically."""
        count = len(self)
        stored = from_stored(to_stored(to_blocks(self._coordinates[:count], self._records[:count], self._units)))
        self._records[:count] = from_blocks(stored, self._units)

    def _reserve(self, count: int) -> None:
        capacity = len(self._coordinates)
        if count <= capacity:
            return
        capacity = max(count, capacity + capacity // 2)
        records = empty_records(capacity, self.settings.labels_per_voxel)
        coordinates = np.zeros((capacity, 3), np.int32)
        coordinates[: len(self)] = self._coordinates[: len(self)]
        records[: len(self)] = self._records[: len(self)]
        self._coordinates, self._records = coordinates, records

    def _keep(self, coordinates: np.ndarray, slots: np.ndarray) -> None:
        """Closes the gaps that unused new blocks left: those used move to the end of the blocks kept so far."""
        start = len(self)
        moved = self._records[slots]
        self._records[slots] = 0
        self._records[start : start + len(slots)] = moved
        self._coordinates[start : start + len(slots)] = coordinates
        self._index.add(coordinates)
