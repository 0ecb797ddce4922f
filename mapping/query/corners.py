"""The eight voxels around a point of a map of which only some blocks are in memory."""

from __future__ import annotations

import numpy as np
from numba import njit

from mapping.fusion.block_index import find_one
from mapping.query.residency import ABSENT

KNOWN, UNKNOWN, MISSING = 0, 1, 2  # MISSING: blocks have to be read first


@njit(cache=True, nogil=True)
def surround(tables, slot_of, wanted, x, y, z, slot, cell):
    """Slots and cells of voxels (x, y, z) to (x+1, y+1, z+1), by corner (bit 0: x, 1: y, 2: z).

    Marks blocks that are not in memory in `wanted`. Gives UNKNOWN where a block holds nothing, MISSING where one has to
    be read; otherwise KNOWN.
    """
    across = ((x & 7) == 7) | ((y & 7) == 7) << 1 | ((z & 7) == 7) << 2
    status = KNOWN
    for corner in range(8):
        cx, cy, cz = x + (corner & 1), y + (corner >> 1 & 1), z + (corner >> 2 & 1)
        cell[corner] = (cx & 7) << 6 | (cy & 7) << 3 | cz & 7
        block = corner & across
        if block != corner:
            slot[corner] = slot[block]
            continue
        number = find_one(tables[0], tables[1], cx >> 3, cy >> 3, cz >> 3)
        slot[corner] = slot_of[number] if number >= 0 else np.int32(-2)
        if slot[corner] == ABSENT:
            wanted[number] = 1
            status = MISSING
        elif slot[corner] < 0:
            return UNKNOWN
    return status


@njit(cache=True, nogil=True)
def share(corner, fx, fy, fz):
    """What a corner counts for at the fractions (fx, fy, fz) of a cell."""
    return (fx if corner & 1 else 1 - fx) * (fy if corner & 2 else 1 - fy) * (fz if corner & 4 else 1 - fz)


@njit(cache=True, nogil=True)
def distance_at(tables, slot_of, wanted, grid, min_weight, x, y, z, slot, cell):
    """Status, and tsdf at a point in voxels, trilinear between eight voxels with more than `min_weight`.

    Leaves their places in `slot` and `cell`.
    """
    tsdf, weight = grid
    ix, iy, iz = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    status = surround(tables, slot_of, wanted, ix, iy, iz, slot, cell)
    if status != KNOWN:
        return status, 0.0
    value = 0.0
    for corner in range(8):
        if not weight[slot[corner], cell[corner]] > min_weight:
            return UNKNOWN, 0.0
        value += share(corner, x - ix, y - iy, z - iz) * tsdf[slot[corner], cell[corner]]
    return KNOWN, value
