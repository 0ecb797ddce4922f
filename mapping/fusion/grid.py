"""The voxel grid that an open submap is fused into."""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, njit

from mapping.fusion.allocation import blocks_in_view
from mapping.fusion.block_index import BlockIndex, check_reach
from mapping.fusion.integration import Projection, VoxelRules, integrate_blocks
from mapping.fusion.observation import DepthObservation
from mapping.fusion.pixel_lines import Intrinsics
from mapping.fusion.pixels import PixelMaps, pixel_maps, weigh_pixels
from mapping.fusion.record_memory import RecordMemory
from mapping.fusion.settings import FusionSettings
from mapping.fusion.stored_blocks import check_stored
from mapping.fusion.unpacking import round_to_stored, to_blocks
from mapping.fusion.voxels import MOST, from_blocks, record_words, units_of
from mapping.records import Blocks

FIRST_CAPACITY = 512  # blocks


class VoxelGrid:
    """Blocks of 8x8x8 voxels around the surfaces seen so far, in the frame of one submap.

    The result depends on the observations and their order only, not on the number of threads.
    """

    def __init__(self, settings: FusionSettings) -> None:
        self.settings = settings
        self._units = units_of(settings)
        self._maps: PixelMaps | None = None
        self._index = BlockIndex()
        self._memory = RecordMemory(record_words(settings.labels_per_voxel), FIRST_CAPACITY)
        capacity = len(self._memory.array)
        self._coordinates = np.zeros((capacity, 3), np.int32)
        self._slots = np.zeros(capacity, np.int32)  # of the record of each block
        self._free = np.arange(capacity, dtype=np.int32)  # slots without a block, rising; their records are zero

    def __len__(self) -> int:
        return len(self._index)

    @property
    def memory_bytes(self) -> int:
        """Bytes of the blocks in use and of the hash table."""
        per_block = self._memory.array[0].nbytes + self._coordinates[0].nbytes + self._slots[0].nbytes
        return len(self) * per_block + self._index.nbytes

    def integrate(self, observation: DepthObservation) -> int:
        """Fuses one frame; gives the number of blocks it changed, 0 for a frame without usable depth.

        Raises: ShapeError, CameraError, GeometryError for an observation that does not fit together.
        """
        observation.check()
        settings, camera, T = self.settings, observation.camera, np.asarray(observation.T_submap_cam, np.float64)
        k = Intrinsics(camera.fx, camera.fy, camera.cx, camera.cy)
        self._maps = pixel_maps(observation, settings, self._maps)
        weigh_pixels(observation, settings, self._maps)
        coordinates, cells = blocks_in_view(self._maps, k, T, settings.voxel_size_m)
        if not len(coordinates):
            return 0
        check_reach(coordinates)
        numbers = self._index.find(coordinates)
        new = np.flatnonzero(numbers < 0)
        self._reserve(len(self) + len(new))
        slots = self._slots[numbers]
        slots[new] = self._free[: len(new)]  # those that no voxel is updated in stay free
        R, t = np.ascontiguousarray(T[:3, :3]), np.ascontiguousarray(T[:3, 3])
        projection = Projection(*k, camera.width, camera.height, R, t)
        updated = integrate_blocks(
            coordinates,
            cells,
            slots,
            self._memory.array,
            self._maps,
            projection,
            VoxelRules(
                settings.voxel_size_m,
                settings.truncation_m,
                min(settings.max_weight / self._units.weight, float(MOST)),
                settings.label_band * settings.truncation_m,
                settings.free_space_weight,
            ),
            tuple(range(settings.labels_per_voxel)),
            get_num_threads(),
        )
        self._keep(coordinates, slots, new, updated)
        return int(np.count_nonzero(updated))

    def blocks(self) -> Blocks:
        """A copy of all blocks, sorted by index, with the labels of each voxel by falling weight."""
        count = len(self)
        order = np.lexsort(self._coordinates[:count].T[::-1])
        return to_blocks(self._coordinates[order], self._slots[order], self._memory.array, self._units)

    @classmethod
    def from_blocks(cls, settings: FusionSettings, blocks: Blocks) -> VoxelGrid:
        """A grid that goes on from stored blocks.

        Raises: MapError as `check_stored`.
        """
        check_stored(blocks, settings)
        count = len(blocks)
        grid = cls(settings)
        grid._reserve(count)
        slots = grid._free[:count]
        grid._memory.array[slots] = from_blocks(blocks, grid._units)
        grid._keep(np.ascontiguousarray(blocks.index, np.int32), slots, np.arange(count), np.ones(count, bool))
        return grid

    def round_to_stored(self) -> None:
        """Rounds memory to what the store keeps, so that a run resumed from here and this one go on identically."""
        round_to_stored(self._slots[: len(self)], self._memory.array, self._units)

    def _reserve(self, count: int) -> None:
        """Makes room for `count` blocks."""
        before = len(self._coordinates)
        if count <= before:
            return
        self._memory.grow(max(count, before + before // 2))
        capacity = len(self._memory.array)
        self._free = np.concatenate([self._free, np.arange(before, capacity, dtype=np.int32)])
        self._coordinates = np.concatenate([self._coordinates, np.zeros((capacity - before, 3), np.int32)])
        self._slots = np.concatenate([self._slots, np.zeros(capacity - before, np.int32)])

    def _keep(self, coordinates: np.ndarray, slots: np.ndarray, new: np.ndarray, used: np.ndarray) -> None:
        """Of the new ones among some blocks, which took the first free slots, those in use become part of the grid."""
        start = len(self)
        count = _sort_out(coordinates, slots, new, used, self._coordinates[start:], self._slots[start:], self._free)
        self._index.add(self._coordinates[start : start + count])
        self._free = self._free[count:]


@njit(cache=True, nogil=True)
def _sort_out(coordinates, slots, new, used, kept_coordinates, kept_slots, free):
    """Keeps the new blocks in use, and puts the slots of the others, rising, behind as many entries of `free` as these
    are; gives their number. NumPy would take an array for every step."""
    count = 0
    for i in new:
        if used[i]:
            kept_coordinates[count], kept_slots[count] = coordinates[i], slots[i]
            count += 1
    at = count
    for i in new:
        if not used[i]:
            free[at] = slots[i]
            at += 1
    return count
