"""The loops of marching cubes over 8^3 blocks. Voxel [x,y,z] of a block is number x * 64 + y * 8 + z.

A voxel owns the three edges that start at it; the vertex on an edge belongs to the block of that voxel.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from mapping.records import BLOCK_SIZE

VOXELS = BLOCK_SIZE**3
LEAST = 1e-3  # of an edge: vertices keep this far from voxels, so that no triangle collapses
BESIDE = 0.5  # what the label evidence of a voxel beside an edge counts, that of its ends being 1
_ACROSS = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]
AROUND = np.array(  # [axis, 10 voxels, xyz] from where an edge starts: its ends, each with the four beside it
    [[np.roll((end, *across), axis) for end in (0, 1) for across in _ACROSS] for axis in range(3)]
)


@njit(cache=True, nogil=True, inline="always")
def _look_up(neighbours, b, x, y, z):
    """Slot and number of voxel (x, y, z) of block b, where -1 and 8 reach into the blocks beside it; slot -1 = none."""
    beside = ((x >> 3) + 1) * 9 + ((y >> 3) + 1) * 3 + (z >> 3) + 1
    return neighbours[b, beside], (x & 7) << 6 | (y & 7) << 3 | z & 7


@njit(cache=True, nogil=True)
def _pattern(neighbours, tsdf, seen, b, n):
    """Which corners of the cell that starts at voxel n are inside, as bits; -1 when a corner has not been seen."""
    bits = 0
    for corner in range(8):
        x = (n >> 6) + (corner & 1)
        y = (n >> 3 & 7) + (corner >> 1 & 1)
        z = (n & 7) + (corner >> 2 & 1)
        slot, m = _look_up(neighbours, b, x, y, z)
        if slot < 0 or not seen[slot, m]:
            return -1
        bits |= (tsdf[slot, m] < 0) << corner
    return bits


@njit(cache=True, nogil=True)
def _other_end(neighbours, tsdf, seen, b, n, axis):
    """Slot and number of the voxel after n along an axis if the surface crosses the edge between the two; slot -1 =
    no."""
    if not seen[b, n]:
        return -1, 0
    slot, m = _look_up(neighbours, b, (n >> 6) + (axis == 0), (n >> 3 & 7) + (axis == 1), (n & 7) + (axis == 2))
    if slot < 0 or not seen[slot, m] or (tsdf[b, n] < 0) == (tsdf[slot, m] < 0):
        return -1, 0
    return slot, m


@njit(cache=True, nogil=True, parallel=True)
def count_elements(neighbours, tsdf, seen, triangles):
    """Vertices and triangles of each block, i64 [M,2]."""
    counts = np.zeros((len(tsdf), 2), np.int64)
    for b in prange(len(tsdf)):
        vertices = 0
        faces = 0
        for n in range(VOXELS):
            if seen[b, n]:
                for axis in range(3):
                    vertices += _other_end(neighbours, tsdf, seen, b, n, axis)[0] >= 0
                pattern = _pattern(neighbours, tsdf, seen, b, n)
                if pattern >= 0:
                    faces += triangles[pattern]
        counts[b, 0] = vertices
        counts[b, 1] = faces
    return counts


@njit(cache=True, nogil=True, parallel=True)
def fill_vertices(index, neighbours, grid, colour, evidence, voxel, starts, numbering, out):
    """Writes all vertices, and numbers them: `first` i32 [M,512] of each voxel's vertices, `crossed` u8 bits by
    axis."""
    blocks_done = np.zeros(len(index), np.int64)
    for b in prange(len(index)):
        blocks_done[b] = _fill_block(
            np.int64(b), index, neighbours, grid, colour, evidence, voxel, starts[b], numbering, out
        )
    return blocks_done


@njit(cache=True, nogil=True)
def _fill_block(b, index, neighbours, grid, colour, evidence, voxel, vertex, numbering, out):
    tsdf, seen = grid
    first, crossed = numbering
    vertices, colours, labels, confidence = out
    room = np.zeros(256, np.float32)
    for n in range(VOXELS):
        first[b, n] = vertex
        crossed[b, n] = 0
        for axis in range(3):
            slot, m = _other_end(neighbours, tsdf, seen, b, n, axis)
            if slot < 0:
                continue
            share = np.float64(tsdf[b, n]) / (np.float64(tsdf[b, n]) - np.float64(tsdf[slot, m]))
            share = min(max(share, LEAST), 1 - LEAST)
            for i in range(3):
                within = n >> (6 - 3 * i) & 7
                vertices[vertex, i] = (index[b, i] * BLOCK_SIZE + within + (share if i == axis else 0.0)) * voxel
                mixed = (1 - share) * colour[b, n, i] + share * colour[slot, m, i]
                colours[vertex, i] = np.uint8(mixed + 0.5)
            labels[vertex], confidence[vertex] = _label(neighbours, evidence, b, n, axis, room)
            crossed[b, n] |= 1 << axis
            vertex += 1
    return vertex


@njit(cache=True, nogil=True)
def _label(neighbours, evidence, b, n, axis, room):
    """The label that the voxels at the ends of an edge and beside them speak for, and its share of what they say.

    Those beside saw other pixels of the same surface: what is wrong in some of them does not add up. `room` f32 [256]
    is 0 before and after.
    """
    ids, weights = evidence
    x, y, z = n >> 6, n >> 3 & 7, n & 7
    for i in range(10):
        dx, dy, dz = AROUND[axis, i]
        slot, m = _look_up(neighbours, b, x + dx, y + dy, z + dz)
        if slot >= 0:
            for j in range(ids.shape[2]):
                room[ids[slot, m, j]] += weights[slot, m, j] * np.float32(1 if i % 5 == 0 else BESIDE)
    total, most, label = np.float32(0), np.float32(0), 0
    for i in range(10):
        dx, dy, dz = AROUND[axis, i]
        slot, m = _look_up(neighbours, b, x + dx, y + dy, z + dz)
        if slot >= 0:
            for j in range(ids.shape[2]):
                found = np.int64(ids[slot, m, j])
                total += room[found]
                if room[found] > most or (room[found] == most and found < label):
                    label, most = found, room[found]
                room[found] = 0
    return np.uint8(label), most / total if total > 0 else np.float32(0)


@njit(cache=True, nogil=True, parallel=True)
def fill_faces(neighbours, grid, numbering, cases, starts, faces):
    """Writes all triangles as vertex numbers."""
    tsdf, seen = grid
    table, triangles, edge_start = cases
    first, crossed = numbering
    for b in prange(len(tsdf)):
        face = starts[b]
        for n in range(VOXELS):
            pattern = _pattern(neighbours, tsdf, seen, b, n) if seen[b, n] else -1
            if pattern < 0:
                continue
            for t in range(triangles[pattern]):
                for i in range(3):
                    edge = table[pattern, 3 * t + i]
                    corner = edge_start[edge]
                    x = (n >> 6) + (corner & 1)
                    y = (n >> 3 & 7) + (corner >> 1 & 1)
                    z = (n & 7) + (corner >> 2 & 1)
                    slot, m = _look_up(neighbours, b, x, y, z)
                    axis = edge >> 2
                    before = crossed[slot, m] & ((1 << axis) - 1)
                    faces[face, i] = first[slot, m] + (before & 1) + (before >> 1)
                face += 1


@njit(cache=True, nogil=True, error_model="numpy")
def vertex_normals(vertices, faces, normals):
    """Adds up the normals of each vertex's triangles, weighted by area, and makes them unit vectors, in place."""
    for f in range(len(faces)):
        a, b, c = faces[f]
        ux, uy, uz = vertices[b] - vertices[a]
        vx, vy, vz = vertices[c] - vertices[a]
        for v in (a, b, c):
            normals[v, 0] += uy * vz - uz * vy
            normals[v, 1] += uz * vx - ux * vz
            normals[v, 2] += ux * vy - uy * vx
    for v in range(len(normals)):
        length = np.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2)
        if length > 0:
            normals[v] /= length
