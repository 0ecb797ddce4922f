"""The mesh of a grid that grows: only what changed is meshed anew."""

from __future__ import annotations

import itertools
from zlib import crc32

import numpy as np

from mapping.fusion.block_index import BlockIndex, unique_blocks
from mapping.records import Blocks
from mapping.surface.mesh import BLOCKS_AROUND, Mesh, extract_mesh

GROUP = 8  # blocks along each side of what is meshed together
Group = tuple[int, int, int]  # block coordinates / GROUP, rounded down
# normals and labels take the cells around a group into account
_REACH = np.array(list(itertools.product(range(-1, GROUP + 1), repeat=3)), np.int32)


class LiveMesh:
    """Follows a grid whose mesh lies elsewhere, in pieces by group of blocks. Together the pieces are the mesh of all
    blocks: the same triangles, colours, labels and normals; vertices on the borders of groups are there once in each.
    """

    def __init__(self, voxel_size_m: float) -> None:
        self._voxel_size_m = voxel_size_m
        self._checksums: dict[tuple[int, int, int], int] = {}

    def update(self, blocks: Blocks) -> dict[Group, Mesh]:
        """Takes the grid as it is now; gives the pieces that may have changed, without faces where nothing is left."""
        fresh = {tuple(index): _checksum(blocks, i) for i, index in enumerate(blocks.index.tolist())}
        changed = [index for index, value in fresh.items() if self._checksums.get(index) != value]
        changed += [index for index in self._checksums if index not in fresh]
        self._checksums = fresh
        if not changed:
            return {}
        near = (np.array(changed, np.int32)[:, None] + BLOCKS_AROUND).reshape(-1, 3)
        groups = unique_blocks(np.ascontiguousarray(near // GROUP))
        index = BlockIndex()
        index.add(np.ascontiguousarray(blocks.index, np.int32))
        return {tuple(group.tolist()): self._mesh(blocks, index, group) for group in groups}

    def _mesh(self, blocks: Blocks, index: BlockIndex, group: np.ndarray) -> Mesh:
        slots = index.find(group * GROUP + _REACH)
        slots = slots[slots >= 0]
        slots = slots[np.lexsort(blocks.index[slots].T[::-1])]
        part = Blocks(*(array[slots] for array in vars(blocks).values()))
        own = (part.index // GROUP == group).all(1)
        return extract_mesh(part, self._voxel_size_m, kept=own)


def _checksum(blocks: Blocks, i: int) -> int:
    value = 0
    for array in (blocks.tsdf, blocks.weight, blocks.colour, blocks.label_ids, blocks.label_weights):
        value = crc32(np.ascontiguousarray(array[i]).data.cast("B"), value)
    return value
