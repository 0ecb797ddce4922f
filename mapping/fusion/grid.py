"""The voxel grid that an open submap is fused into."""

from __future__ import annotations

import numpy as np

from mapping.fusion.allocation import blocks_in_view
from mapping.fusion.block_index import BlockIndex, check_reach, unique_blocks
from mapping.fusion.integration import (
    COLOUR_ONE,
    FrameArrays,
    Projection,
    VoxelRules,
    empty_voxels,
    integrate_blocks,
    order_labels,
)
from mapping.fusion.observation import DepthObservation
from mapping.fusion.pixels import Intrinsics, weigh_pixels
from mapping.fusion.precision import rounded
from mapping.fusion.settings import FusionSettings
from mapping.records import BLOCK_SIZE, Blocks
from streammtl.errors import MapError

FIRST_CAPACITY = 512  # blocks


class VoxelGrid:
    """Blocks of 8x8x8 voxels around the surfaces seen so far, in the frame of one submap.

    The result depends on the observations and their order only, not on the number of threads.
    """

    def __init__(self, settings: FusionSettings) -> None:
        self.settings = settings
        self._index = BlockIndex()
        self._coordinates = np.zeros((FIRST_CAPACITY, 3), np.int32)
        self._voxels = empty_voxels(FIRST_CAPACITY, settings.labels_per_voxel)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def memory_bytes(self) -> int:
        """Bytes of the blocks in use and of the hash table."""
        per_block = sum(array[0].nbytes for array in self._voxels) + self._coordinates[0].nbytes
        return len(self) * per_block + self._index.nbytes

    def integrate(self, observation: DepthObservation) -> int:
        """Fuses one frame; gives the number of blocks it changed, 0 for a frame without usable depth.

        Raises: ShapeError, CameraError, GeometryError for an observation that does not fit together.
        """
        observation.check()
        settings, camera, T = self.settings, observation.camera, np.asarray(observation.T_submap_cam, np.float64)
        k = Intrinsics(camera.fx, camera.fy, camera.cx, camera.cy)
        maps = weigh_pixels(observation, settings)
        coordinates = unique_blocks(blocks_in_view(maps, k, observation.depth_m.shape, T, settings.voxel_size_m))
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
            self._voxels,
            _frame_arrays(observation, maps.records),
            Projection(
                *k, camera.width, camera.height, np.ascontiguousarray(T[:3, :3]), np.ascontiguousarray(T[:3, 3])
            ),
            VoxelRules(
                settings.voxel_size_m,
                settings.truncation_m,
                settings.max_weight,
                settings.label_band * settings.truncation_m,
                settings.free_space_weight,
            ),
        )
        self._keep(coordinates[is_new & (updated > 0)], slots[is_new & (updated > 0)])
        return int(np.count_nonzero(updated))

    def blocks(self) -> Blocks:
        """A copy of all blocks, sorted by index, with the labels of each voxel by falling weight."""
        count, k = len(self), self.settings.labels_per_voxel
        order = np.lexsort(self._coordinates[:count].T[::-1])
        cube = (count, BLOCK_SIZE, BLOCK_SIZE, BLOCK_SIZE)
        ids, weights = self._voxels.label_ids[order], self._voxels.label_weights[order]
        order_labels(ids, weights)
        return Blocks(
            index=self._coordinates[order],
            tsdf=self._voxels.tsdf[order].reshape(cube),
            weight=self._voxels.weight[order].reshape(cube),
            colour=_to_levels(self._voxels.colour[order]).reshape(*cube, 3),
            label_ids=ids.reshape(*cube, k),
            label_weights=weights.reshape(*cube, k),
        )

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
        voxels, cube = grid._voxels, (count, BLOCK_SIZE**3)
        voxels.tsdf[:count] = blocks.tsdf.reshape(cube)
        voxels.weight[:count] = blocks.weight.reshape(cube)
        voxels.colour[:count] = blocks.colour.reshape(*cube, 3).astype(np.uint16) * COLOUR_ONE
        voxels.label_ids[:count] = blocks.label_ids.reshape(*cube, k)
        voxels.label_weights[:count] = blocks.label_weights.reshape(*cube, k)
        return grid

    def round_to_stored(self) -> None:
        """Rounds memory to what the store keeps, so that a run resumed from here and this one go on identically."""
        count, voxels = len(self), self._voxels
        voxels.tsdf[:count] = rounded(voxels.tsdf[:count], "tsdf")
        voxels.weight[:count] = rounded(voxels.weight[:count], "weight")
        voxels.colour[:count] = _to_levels(voxels.colour[:count]).astype(np.uint16) * COLOUR_ONE
        order_labels(voxels.label_ids[:count], voxels.label_weights[:count])
        voxels.label_weights[:count] = rounded(voxels.label_weights[:count], "label_weights")
        order_labels(voxels.label_ids[:count], voxels.label_weights[:count])

    def _reserve(self, count: int) -> None:
        capacity = len(self._coordinates)
        if count <= capacity:
            return
        capacity = max(count, capacity + capacity // 2)
        grown = empty_voxels(capacity, self.settings.labels_per_voxel)
        coordinates = np.zeros((capacity, 3), np.int32)
        coordinates[: len(self)] = self._coordinates[: len(self)]
        for old, new in zip(self._voxels, grown, strict=True):
            new[: len(self)] = old[: len(self)]
        self._coordinates, self._voxels = coordinates, grown

    def _keep(self, coordinates: np.ndarray, slots: np.ndarray) -> None:
        """Closes the gaps that unused new blocks left: those used move to the end of the blocks kept so far."""
        start = len(self)
        for array in self._voxels:
            moved = array[slots]
            array[slots] = 0
            array[start : start + len(slots)] = moved
        self._coordinates[start : start + len(slots)] = coordinates
        self._index.add(coordinates)


def _frame_arrays(observation: DepthObservation, records: np.ndarray) -> FrameArrays:
    ids, probabilities = observation.label_ids, observation.label_probabilities
    pixels = observation.depth_m.size
    if ids is None:
        ids = np.empty((*observation.depth_m.shape, 0), np.uint8)
    if probabilities is None:
        probabilities = np.ones(ids.shape, np.float32)
    return FrameArrays(
        records,
        np.ascontiguousarray(observation.image).reshape(pixels, 3),
        np.ascontiguousarray(ids).reshape(pixels, ids.shape[2]),
        np.ascontiguousarray(probabilities, np.float32).reshape(pixels, ids.shape[2]),
    )


def _to_levels(colour: np.ndarray) -> np.ndarray:
    return np.minimum((colour.astype(np.uint32) + COLOUR_ONE // 2) // COLOUR_ONE, 255).astype(np.uint8)
