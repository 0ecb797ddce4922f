"""Blocks of one grid read on another that is turned and shifted against it."""

from __future__ import annotations

import itertools

import numpy as np
from numba import njit, prange

from mapping.fusion.block_index import BlockIndex, check_reach, unique_blocks
from mapping.fusion.observation import check_rigid
from mapping.records import BLOCK_SIZE, Blocks

NEIGHBOURHOOD = (
    3  # blocks along each side that a turned block and its last cell can reach into: 7 sqrt(3) + 1 < 16 voxels
)
LEAST_SEEN = 0.5  # of a new voxel's surroundings
SURFACE_SLOPE = 4.0  # tsdf may change across a cell this many times faster than distance: projective, seen at a slant


def resampled(
    blocks: Blocks,
    T_new_old: np.ndarray,
    voxel_size_m: float,
    truncation_m: float,
    coordinates: np.ndarray | None = None,
) -> Blocks:
    """The blocks in a grid of the same voxel size that T_new_old maps their own grid to; only blocks that hold
    something, and of those only the ones at `coordinates` i32 [N,3] when given.

    tsdf, weight and colour are trilinear between the eight voxels around a point, all of which must have been seen;
    label evidence is that of the nearest. Where tsdf jumps across a cell by more than a surface can, between an object
    and what is far behind it, nothing lies in between: there the nearest voxel is taken whole. Raises: GeometryError
    for a transform that is not rigid or leads out of the grid's reach.
    """
    check_rigid(T_new_old, "T_world_submap")
    if coordinates is None:
        coordinates = blocks_reached(blocks.index, T_new_old, voxel_size_m)
    index = BlockIndex()
    index.add(np.ascontiguousarray(blocks.index, np.int32))
    T_old_new = _in_voxels(T_new_old, voxel_size_m)
    first, slots = _sources(coordinates, T_old_new, index)
    flat, k = (len(blocks), BLOCK_SIZE**3), blocks.label_ids.shape[-1]
    new = (len(coordinates), BLOCK_SIZE, BLOCK_SIZE, BLOCK_SIZE)
    result = Blocks(
        coordinates,
        np.zeros(new, np.float32),
        np.zeros(new, np.float32),
        np.zeros((*new, 3), np.uint8),
        np.zeros((*new, k), np.uint8),
        np.zeros((*new, k), np.float32),
    )
    flat_new = (len(coordinates), BLOCK_SIZE**3)
    filled = _resample(
        coordinates,
        first,
        slots,
        np.ascontiguousarray(T_old_new[:3]),
        SURFACE_SLOPE * np.sqrt(3) * voxel_size_m / truncation_m,
        (blocks.tsdf.reshape(flat), blocks.weight.reshape(flat), blocks.colour.reshape(*flat, 3)),
        (blocks.label_ids.reshape(*flat, k), blocks.label_weights.reshape(*flat, k)),
        (result.tsdf.reshape(flat_new), result.weight.reshape(flat_new), result.colour.reshape(*flat_new, 3)),
        (result.label_ids.reshape(*flat_new, k), result.label_weights.reshape(*flat_new, k)),
    )
    return Blocks(*(array[filled > 0] for array in vars(result).values()))


def source_slots(coordinates: np.ndarray, T_new_old: np.ndarray, voxel_size_m: float, index: BlockIndex) -> np.ndarray:
    """Slots i32 [N,27] in `index` of all old blocks that new blocks i32 [N,3] can take values from; -1 where there is
    none."""
    return _sources(coordinates, _in_voxels(T_new_old, voxel_size_m), index)[1]


def _in_voxels(T_new_old: np.ndarray, voxel_size_m: float) -> np.ndarray:
    """T_old_new between voxel coordinates."""
    T_old_new = np.eye(4)
    T_old_new[:3, :3] = T_new_old[:3, :3].T
    T_old_new[:3, 3] = -T_new_old[:3, :3].T @ T_new_old[:3, 3] / voxel_size_m
    return T_old_new


def _sources(coordinates: np.ndarray, T_old_new: np.ndarray, index: BlockIndex) -> tuple[np.ndarray, np.ndarray]:
    """The lowest old block i32 [N,3] that each new block reaches into, and the slots i32 [N,27] from there on."""
    first = np.floor(_box(coordinates, T_old_new, 0, BLOCK_SIZE - 1)[0] / BLOCK_SIZE).astype(np.int32)
    offsets = np.array(list(itertools.product(range(NEIGHBOURHOOD), repeat=3)), np.int32)
    return first, np.stack([index.find(first + offset) for offset in offsets], -1).reshape(-1, len(offsets))


def _box(coordinates: np.ndarray, T: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest voxel coordinates f64 [N,3] of the boxes from low to high of each block, once mapped by T."""
    corners = np.array(list(itertools.product((low, high), repeat=3)))
    origin = (coordinates.astype(np.float64) * BLOCK_SIZE) @ T[:3, :3].T + T[:3, 3]
    turned = corners @ T[:3, :3].T
    return origin + turned.min(0), origin + turned.max(0)


def blocks_reached(index: np.ndarray, T_new_old: np.ndarray, voxel_size_m: float) -> np.ndarray:
    """All blocks i32 [N,3] of the new grid with a voxel between the voxels of the old blocks, or between them and the
    next."""
    T = T_new_old.copy()
    T[:3, 3] /= voxel_size_m
    low, high = _box(index, T, -1, BLOCK_SIZE)
    first, last = np.floor(low / BLOCK_SIZE), np.floor(high / BLOCK_SIZE)
    check_reach(np.concatenate([first, last]))
    first, last = first.astype(np.int32), last.astype(np.int32)
    span = int((last - first).max(initial=0)) + 1
    reached = [first + np.array(offset, np.int32) for offset in itertools.product(range(span), repeat=3)]
    reached = [candidate[(candidate <= last).all(1)] for candidate in reached]
    found = unique_blocks(np.ascontiguousarray(np.concatenate(reached)))
    return found[np.lexsort(found.T[::-1])]


@njit(cache=True, nogil=True, parallel=True)
def _resample(coordinates, first, slots, T_old_new, jump, old, old_labels, new, new_labels):
    """Fills new blocks; gives the number of voxels filled in each, i64 [N]."""
    filled = np.zeros(len(coordinates), np.int64)
    for i in prange(len(coordinates)):
        filled[i] = _fill_block(
            np.int64(i), coordinates[i], first[i], slots[i], T_old_new, jump, old, old_labels, new, new_labels
        )
    return filled


@njit(cache=True, nogil=True)
def _fill_block(i, block, first, slots, T, jump, old, old_labels, new, new_labels):
    filled = 0
    share = np.empty(8)
    slot = np.empty(8, np.int64)
    voxel = np.empty(8, np.int64)
    for n in range(BLOCK_SIZE**3):
        x = block[0] * BLOCK_SIZE + (n >> 6)
        y = block[1] * BLOCK_SIZE + (n >> 3 & 7)
        z = block[2] * BLOCK_SIZE + (n & 7)
        px = T[0, 0] * x + T[0, 1] * y + T[0, 2] * z + T[0, 3] - first[0] * BLOCK_SIZE
        py = T[1, 0] * x + T[1, 1] * y + T[1, 2] * z + T[1, 3] - first[1] * BLOCK_SIZE
        pz = T[2, 0] * x + T[2, 1] * y + T[2, 2] * z + T[2, 3] - first[2] * BLOCK_SIZE
        if _surround(px, py, pz, slots, old[1], share, slot, voxel) > LEAST_SEEN:
            _interpolate(i, n, share, slot, voxel, jump, old, old_labels, new, new_labels)
            filled += 1
    return filled


@njit(cache=True, nogil=True)
def _surround(px, py, pz, slots, weight, share, slot, voxel):
    """The eight voxels around a point, in voxels from the neighbourhood's origin. Gives the share of those that were
    seen.

    An unseen voxel gets slot -1, as does one without a share.
    """
    cx, cy, cz = int(np.floor(px)), int(np.floor(py)), int(np.floor(pz))
    fx, fy, fz = px - cx, py - cy, pz - cz
    seen = 0.0
    for corner in range(8):
        x, y, z = cx + (corner & 1), cy + (corner >> 1 & 1), cz + (corner >> 2 & 1)
        share[corner] = (fx if corner & 1 else 1 - fx) * (fy if corner & 2 else 1 - fy) * (fz if corner & 4 else 1 - fz)
        slot[corner] = -1
        bx, by, bz = x >> 3, y >> 3, z >> 3
        # less is rounding, of a point that lies on a voxel or on a line between two
        if share[corner] > 1e-6 and min(bx, by, bz) >= 0 and max(bx, by, bz) < NEIGHBOURHOOD:
            slot[corner] = slots[(bx * NEIGHBOURHOOD + by) * NEIGHBOURHOOD + bz]
            voxel[corner] = (x & 7) << 6 | (y & 7) << 3 | z & 7
            if slot[corner] >= 0 and weight[slot[corner], voxel[corner]] > 0:
                seen += share[corner]
            else:
                slot[corner] = -1
    return seen


@njit(cache=True, nogil=True)
def _interpolate(i, n, share, slot, voxel, jump, old, old_labels, new, new_labels):
    tsdf, weight, colour = old
    nearest = -1
    low, high = 1.0, -1.0
    for corner in range(8):
        if slot[corner] >= 0:
            low = min(low, tsdf[slot[corner], voxel[corner]])
            high = max(high, tsdf[slot[corner], voxel[corner]])
            if nearest < 0 or share[corner] > share[nearest]:
                nearest = corner
    total = sum_tsdf = sum_weight = red = green = blue = 0.0
    for corner in range(8):
        a = share[corner]
        if high - low > jump:
            a = 1.0 if corner == nearest else 0.0
        if a > 0 and slot[corner] >= 0:
            s, m = slot[corner], voxel[corner]
            total += a
            sum_tsdf += a * tsdf[s, m]
            sum_weight += a * weight[s, m]
            red += a * colour[s, m, 0]
            green += a * colour[s, m, 1]
            blue += a * colour[s, m, 2]
    value = sum_tsdf / total
    if high - low <= jump:
        value += _off_centre(share, slot, voxel, tsdf, total)
    new[0][i, n] = min(max(value, -1.0), 1.0)
    new[1][i, n] = sum_weight / total
    new[2][i, n, 0] = np.uint8(red / total + 0.5)
    new[2][i, n, 1] = np.uint8(green / total + 0.5)
    new[2][i, n, 2] = np.uint8(blue / total + 0.5)
    for j in range(old_labels[0].shape[2]):
        new_labels[0][i, n, j] = old_labels[0][slot[nearest], voxel[nearest], j]
        new_labels[1][i, n, j] = old_labels[1][slot[nearest], voxel[nearest], j]


@njit(cache=True, nogil=True)
def _off_centre(share, slot, voxel, tsdf, total):
    """What a mean over the seen voxels alone misses, because its centre is not the point: the slope times that
    offset."""
    missing = 0.0
    for axis in range(3):
        side = 1 << axis
        slope, pairs, wanted, reached = 0.0, 0, 0.0, 0.0
        for corner in range(8):
            if corner & side:
                wanted += share[corner]
                reached += share[corner] if slot[corner] >= 0 else 0.0
                if slot[corner] >= 0 and slot[corner ^ side] >= 0:
                    slope += tsdf[slot[corner], voxel[corner]] - tsdf[slot[corner ^ side], voxel[corner ^ side]]
                    pairs += 1
        if pairs > 0:
            missing += slope / pairs * (wanted - reached / total)
    return missing
