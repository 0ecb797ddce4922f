"""The loop that follows rays through a map to the first surface seen from its free side. Lengths are in voxels."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from mapping.fusion.block_index import find_one
from mapping.query.corners import KNOWN, MISSING, UNKNOWN, distance_at
from mapping.query.residency import ABSENT

TOGETHER = 512  # rays that one thread follows in a row
SURE_STEP = 0.5  # of the distance: it was measured along other rays and is too long at a slant
LEAST_STEP = 0.5
REFINEMENTS = 4


@njit(cache=True, nogil=True, parallel=True)
def follow_rays(tables, slot_of, wanted, grid, limits, origin, directions, rows, state, normals):
    """Follows the rays at `rows` on from where they are.

    directions f64 [N,3] unit; limits: min_weight, truncation, far; state f64 [N,4]: how far the ray has come, how far
    it was and the tsdf at its last known point in free space (NaN = none), and its status: KNOWN hit, UNKNOWN nothing
    met, MISSING blocks must be read. normals f32 [N,3] of those that hit.
    """
    for part in prange((len(rows) + TOGETHER - 1) // TOGETHER):
        slot, cell = np.empty(8, np.int32), np.empty(8, np.int64)
        for i in rows[part * TOGETHER : (part + 1) * TOGETHER]:
            _follow(tables, slot_of, wanted, grid, limits, origin, directions[i], state[i], slot, cell)
            if state[i, 3] == KNOWN:
                _gradient(grid[0], origin + state[i, 0] * directions[i], slot, cell, normals[i])


@njit(cache=True, nogil=True)
def _follow(tables, slot_of, wanted, grid, limits, origin, direction, state, slot, cell):
    min_weight, truncation, far = limits
    t, last_t, last = state[0], state[1], state[2]
    status = UNKNOWN
    while t < far:
        x, y, z = origin[0] + t * direction[0], origin[1] + t * direction[1], origin[2] + t * direction[2]
        ix, iy, iz = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
        bx, by, bz = ix >> 3, iy >> 3, iz >> 3
        number = find_one(tables[0], tables[1], bx, by, bz)
        if number < 0 or slot_of[number] < ABSENT:
            t += _to_the_border(x, y, z, bx, by, bz, direction) + 1e-4
            last = np.nan
            continue
        here, first = slot_of[number], (ix & 7) << 6 | (iy & 7) << 3 | iz & 7
        if here >= 0 and not grid[1][here, first] > min_weight:
            found, value = UNKNOWN, 0.0  # the first voxel says so already
        else:
            found, value = distance_at(tables, slot_of, wanted, grid, min_weight, x, y, z, slot, cell)
        if found == MISSING:
            status = MISSING
            break
        if found == UNKNOWN:
            last = np.nan
            t += 1.0
        elif value >= 0:
            last_t, last = t, value
            t += max(SURE_STEP * value * truncation, LEAST_STEP)
        elif last >= 0:
            status, t = _refined(
                tables, slot_of, wanted, grid, min_weight, origin, direction, last_t, last, t, value, slot, cell
            )
            if status != UNKNOWN:
                break
            last = np.nan
            t += 1.0
        else:
            t += 1.0
    state[0], state[1], state[2], state[3] = t, last_t, last, status


@njit(cache=True, nogil=True)
def _to_the_border(x, y, z, bx, by, bz, direction):
    """From a point to where its ray leaves the block."""
    t = np.inf
    for p, b, d in ((x, bx, direction[0]), (y, by, direction[1]), (z, bz, direction[2])):
        if d > 1e-12:
            t = min(t, ((b + 1) * 8 - p) / d)
        elif d < -1e-12:
            t = min(t, (b * 8 - p) / d)
    return max(t, 0.0)


@njit(cache=True, nogil=True)
def _refined(tables, slot_of, wanted, grid, min_weight, origin, direction, near, before, t, behind, slot, cell):
    """Status and place of the zero between two points of a ray with values of different sign (regula falsi)."""
    far = t
    for _ in range(REFINEMENTS):
        t = near + (far - near) * before / (before - behind)
        p = origin + t * direction
        found, value = distance_at(tables, slot_of, wanted, grid, min_weight, p[0], p[1], p[2], slot, cell)
        if found != KNOWN:
            return found, far
        if value >= 0:
            near, before = t, value
        else:
            far, behind = t, value
    return KNOWN, t


@njit(cache=True, nogil=True)
def _gradient(tsdf, p, slot, cell, normal):
    """The slope of the trilinear tsdf at a point, as a unit vector, from the eight voxels around it."""
    f = p - np.floor(p)
    for axis in range(3):
        side, one, two = 1 << axis, (axis + 1) % 3, (axis + 2) % 3
        slope = 0.0
        for corner in range(8):
            if corner & side:
                a = f[one] if corner >> one & 1 else 1 - f[one]
                b = f[two] if corner >> two & 1 else 1 - f[two]
                low = corner ^ side
                slope += a * b * (tsdf[slot[corner], cell[corner]] - tsdf[slot[low], cell[low]])
        normal[axis] = slope
    length = np.sqrt((normal * normal).sum())
    if length > 0:
        normal /= length
