"""Loops that read a map at points. Points are in voxels of the world's grid."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from mapping.query.corners import KNOWN, MISSING, distance_at, share, surround

TOGETHER = 4096  # points that one thread works through in a row


@njit(cache=True, nogil=True, parallel=True)
def sample_distance(tables, slot_of, wanted, grid, min_weight, points, rows, status, tsdf, weight):
    """Writes status u8, tsdf f32 and weight f32 of the points at `rows`."""
    for part in prange((len(rows) + TOGETHER - 1) // TOGETHER):
        slot, cell = np.empty(8, np.int32), np.empty(8, np.int64)
        for i in rows[part * TOGETHER : (part + 1) * TOGETHER]:
            x, y, z = points[i]
            status[i], value = distance_at(tables, slot_of, wanted, grid, min_weight, x, y, z, slot, cell)
            tsdf[i] = value if status[i] == KNOWN else np.nan
            weight[i] = 0
            if status[i] == KNOWN:
                for corner in range(8):
                    s = share(corner, x - np.floor(x), y - np.floor(y), z - np.floor(z))
                    weight[i] += s * grid[1][slot[corner], cell[corner]]


@njit(cache=True, nogil=True, parallel=True)
def sample_look(tables, slot_of, wanted, look, points, rows, status, colour, label, confidence):
    """Writes status u8, colour u8 [.,3], label u8 and confidence f32 of the points at `rows`.

    Colours are trilinear; the eight voxels around vote for their labels alike, each with its confidence.
    """
    for part in prange((len(rows) + TOGETHER - 1) // TOGETHER):
        slot, cell = np.empty(8, np.int32), np.empty(8, np.int64)
        for i in rows[part * TOGETHER : (part + 1) * TOGETHER]:
            x, y, z = points[i]
            ix, iy, iz = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
            status[i] = surround(tables, slot_of, wanted, ix, iy, iz, slot, cell)
            if status[i] == KNOWN:
                _look(look, x - ix, y - iy, z - iz, slot, cell, i, colour, label, confidence)
            elif status[i] != MISSING:
                colour[i] = 0
                label[i] = 0
                confidence[i] = 0


@njit(cache=True, nogil=True)
def _look(look, fx, fy, fz, slot, cell, i, colour, label, confidence):
    red = green = blue = most = total = 0.0
    label[i] = 0
    for corner in range(8):
        s, m = slot[corner], cell[corner]
        a = share(corner, fx, fy, fz)
        red += a * look[0][s, m, 0]
        green += a * look[0][s, m, 1]
        blue += a * look[0][s, m, 2]
        total += a if look[1][s, m] > 0 else 0.0
        if look[1][s, m] > 0 and look[1][s, m] != label[i]:  # mostly all are alike
            votes = 0.0
            for other in range(8):
                s_other, m_other = slot[other], cell[other]
                if look[1][s_other, m_other] == look[1][s, m]:
                    votes += share(other, fx, fy, fz) * look[2][s_other, m_other]
            if votes > most:
                most = votes
                label[i] = look[1][s, m]
    confidence[i] = most / total if total > 0 else 0
    colour[i, 0], colour[i, 1], colour[i, 2] = np.uint8(red + 0.5), np.uint8(green + 0.5), np.uint8(blue + 0.5)
