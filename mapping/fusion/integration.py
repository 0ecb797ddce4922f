"""The voxel update: one pass over the blocks in view does tsdf, weight, colour and labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from mapping.fusion.allocation import BEFORE
from mapping.fusion.averages import average_cells
from mapping.fusion.labels import collect_labels
from mapping.fusion.pixel_lines import SLOPE_ONE
from mapping.fusion.prefetch import LINE, prefetch
from mapping.fusion.voxels import CELL, CELLS, LABELS, voxel_order
from mapping.records import BLOCK_SIZE

BATCH = 8  # blocks that are worked on together: what is known of their voxels stays in the cache
TURN = 8  # batches that a thread takes in turn: neighbours, which look at the same pixels
ORDER = voxel_order()
SEEN, WITHIN, LABELLED = 1, 2, 4  # what a cell may have: voxels to update, some within the band, some to be labelled


class Projection(NamedTuple):
    """From grid to pixels."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    R_grid_cam: np.ndarray  # f64 [3,3]
    t_grid_cam: np.ndarray  # f64 [3] m


class VoxelRules(NamedTuple):
    voxel_size_m: float
    truncation_m: float
    max_weight: float  # of a voxel, in units
    label_band_m: float
    free_space_weight: float


class Scratch(NamedTuple):
    """What is known of the voxels of a batch, cell after cell, those of one block together."""

    numbers: np.ndarray  # i64 [cells] within their block
    starts: np.ndarray  # i64 [cells], where their records begin, in pairs of u16
    kinds: np.ndarray  # u8 [cells], SEEN | WITHIN | LABELLED
    chosen: np.ndarray  # i64 [cells], those of a kind
    pixels: np.ndarray  # i32 [cells*64]
    label_pixels: np.ndarray  # i32 [cells*64], 0 for voxels that take no label
    distances: np.ndarray  # f32 [cells*64] m, to the depth of the pixel; NaN for none
    fractions: np.ndarray  # f32 [2*cells*64] px, from a pixel's left and upper edge
    read: np.ndarray  # u64 [cells*64], of pixels
    seen: np.ndarray  # u32 [cells*64], labels of pixels, two and two
    arrived: np.ndarray  # u16 [2*64], the same of one cell, first the one, then the other


@njit(cache=True, nogil=True, parallel=True)
def integrate_blocks(coordinates, cells, slots, records, maps, projection, rules, numbers, threads):
    """Updates blocks i32 [C,3] that live in `slots` i32 [C], all different, of which `cells` u16 [C] says what
    `blocks_in_view` does; gives bool [C]: whether a block was updated. `numbers` is a tuple as long as a voxel keeps
    labels: the compiler knows its length.

    A voxel reads the pixel it projects to, whose slope carries depth from the pixel's centre to where the voxel falls.
    It is updated where it lies within the truncation of that depth, along the optical axis (projective distance;
    Curless and Levoy 1996, weighted running average). In blocks with such voxels, those in front of the band become
    freer; this takes away what flew before a surface or what a worse pose put there. Other blocks are left as they are.
    """
    updated = np.zeros(len(coordinates), np.bool_)
    offsets = _offsets(projection, rules.voxel_size_m)
    for thread in prange(threads):  # blocks that follow one another cost alike: they are dealt out in turns
        _integrate_turns(
            np.int64(thread),
            threads,
            coordinates,
            cells,
            slots,
            records,
            maps,
            projection,
            offsets,
            rules,
            numbers,
            updated,
        )
    return updated


@njit(cache=True, nogil=True)
def _offsets(projection, voxel):
    """What each voxel of a block adds to the camera coordinates of its first one, x and y times the focal length;
    f32 [8*3*64], cell by cell."""
    R, offsets = projection.R_grid_cam, np.empty((CELLS, 3, CELL), np.float32)
    for i in range(CELLS * CELL):
        x, y, z = ORDER[i, 0] * voxel, ORDER[i, 1] * voxel, ORDER[i, 2] * voxel
        for axis in range(3):
            scale = projection.fx if axis == 0 else projection.fy if axis == 1 else 1.0
            offsets[i // CELL, axis, i % CELL] = scale * (R[0, axis] * x + R[1, axis] * y + R[2, axis] * z)
    return offsets.reshape(-1)


@njit(cache=True, nogil=True)
def _integrate_turns(
    first, step, coordinates, cells, slots, records, maps, projection, offsets, rules, numbers, updated
):
    """Every `step`-th turn from the first on. Small functions take arrays: tuples of them are slow to pass."""
    s, pairs = _scratch(), records.shape[1] // (2 * CELLS)
    voxels, geometry, content = records.reshape(-1), maps.geometry.reshape(-1), maps.content.reshape(-1)
    for batch in range(-(-len(coordinates) // BATCH)):
        if batch // TURN % step != first:
            continue
        count = np.int64(0)
        for i in range(batch * BATCH, min((batch + 1) * BATCH, len(coordinates))):
            record = np.int64(slots[i]) * CELLS * pairs
            x, y, z = coordinates[i, 0], coordinates[i, 1], coordinates[i, 2]
            origin = _camera_origin(x, y, z, projection, rules.voxel_size_m)
            seen = np.int64(cells[i])
            for mask in (seen & ((1 << BEFORE) - 1), seen >> BEFORE if rules.free_space_weight > 0 else 0):
                end = _list_cells(mask, record, pairs, s.numbers, s.starts, count)
                _project(origin, offsets, projection, s.numbers, s.pixels, s.distances, s.fractions, count, end)
                _read(geometry, s.pixels, s.read, count, end)
                _measure(s.read, maps.slope_m / SLOPE_ONE, s.distances, s.fractions, count, end)
                within = _find_kinds(s.distances, s.pixels, rules, s.kinds, s.label_pixels, count, end)
                updated[i] |= within
                if not updated[i]:
                    break
                _ask_for(voxels, s.starts, count, end, pairs if within else LABELS // 2)
                count = end
        chosen = _choose(s.kinds, count, SEEN, s.chosen)
        _read_chosen(content, s.pixels, s.read, chosen)
        average_cells(voxels, chosen, s.starts, s.distances, s.read, rules)
        if maps.labels.shape[2] > 0:
            chosen = _choose(s.kinds, count, LABELLED, s.chosen)
            collect_labels(
                voxels, chosen, s.starts, s.distances, s.label_pixels, maps.labels, s.seen, s.arrived, numbers
            )


@njit(cache=True, nogil=True)
def _scratch():
    cells = BATCH * CELLS
    return Scratch(
        np.empty(cells + 1, np.int64),  # one more: a cell is written before it is known whether it belongs there
        np.empty(cells + 1, np.int64),
        np.empty(cells, np.uint8),
        np.empty(cells, np.int64),
        np.empty(cells * CELL, np.int32),
        np.empty(cells * CELL, np.int32),
        np.empty(cells * CELL, np.float32),
        np.empty(2 * cells * CELL, np.float32),
        np.empty(cells * CELL, np.uint64),
        np.empty(cells * CELL, np.uint32),
        np.empty(2 * CELL, np.uint16),
    )


@njit(cache=True, nogil=True)
def _list_cells(mask, record, pairs, numbers, starts, count):
    """Puts the cells of a mask behind the first `count` of a batch; gives the number then."""
    for cell in range(CELLS):
        numbers[count], starts[count] = cell, record + cell * pairs
        count += mask >> cell & 1
    return count


@njit(cache=True, nogil=True)
def _choose(kinds, count, kind, chosen):
    """The cells of a batch that are of a kind."""
    found = 0
    for cell in range(count):
        chosen[found] = cell
        found += np.int64(kinds[cell] & kind > 0)
    return chosen[:found]


@njit(cache=True, nogil=True)
def _ask_for(voxels, starts, first, end, pairs):
    """The first so many pairs of u16 of some cells, while other blocks are measured."""
    for cell in range(first, end):
        for pair in range(0, pairs, LINE // 4):
            prefetch(voxels, 2 * (starts[cell] + pair))


@njit(cache=True, nogil=True, error_model="numpy")
def _camera_origin(x, y, z, projection, voxel):
    """A block's first voxel in camera coordinates, x and y times the focal length."""
    fx, fy, R, t = projection.fx, projection.fy, projection.R_grid_cam, projection.t_grid_cam
    px = x * BLOCK_SIZE * voxel - t[0]
    py = y * BLOCK_SIZE * voxel - t[1]
    pz = z * BLOCK_SIZE * voxel - t[2]
    return (
        np.float32(fx * (R[0, 0] * px + R[1, 0] * py + R[2, 0] * pz)),
        np.float32(fy * (R[0, 1] * px + R[1, 1] * py + R[2, 1] * pz)),
        np.float32(R[0, 2] * px + R[1, 2] * py + R[2, 2] * pz),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _project(origin, offsets, projection, numbers, pixels, depths, fractions, start, end):
    """For every voxel of some cells its pixel, one of the border for what no pixel sees; its depth, and where in the
    pixel it falls."""
    x0, y0, z0 = origin
    cu, cv = np.float32(projection.cx + 0.5), np.float32(projection.cy + 0.5)
    width, height, one = np.float32(projection.width), np.float32(projection.height), np.float32(1)
    pitch = width + np.float32(2)
    for cell in range(start, end):
        table, first = np.uint64(numbers[cell] * (3 * CELL)), np.uint64(cell * CELL)
        for n in range(CELL):
            i = np.uint64(n)
            z = z0 + offsets[table + np.uint64(2 * CELL) + i]
            inverse = one / z
            u = (x0 + offsets[table + i]) * inverse + cu
            v = (y0 + offsets[table + np.uint64(CELL) + i]) * inverse + cv
            u = u if (u > -one) & (z > np.float32(0)) else -one
            v = v if v > -one else -one
            u = u if u < width else width
            v = v if v < height else height
            column, row = np.floor(u), np.floor(v)
            pixels[first + i] = np.int32((row * pitch + column) + (pitch + one))
            depths[first + i] = z
            fractions[first + first + i] = u - column
            fractions[first + first + np.uint64(CELL) + i] = v - row


@njit(cache=True, nogil=True)
def _read(plane, pixels, values, start, end):
    """Reading is a loop of its own: the compiler cannot tell that pixels are not the voxels written."""
    for cell in range(start, end):
        first = np.uint64(cell * CELL)
        for n in range(CELL):
            i = first + np.uint64(n)
            values[i] = plane[np.uint32(pixels[i])]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _measure(read, slope_unit, distances, fractions, start, end):
    """Turns depths into distances to the depth of the pixel, along the optical axis; NaN for none."""
    depth, slopes, unit = read.view(np.float32), read.view(np.int32), np.float32(slope_unit)
    for cell in range(start, end):
        first = np.uint64(cell * CELL)
        twice = np.uint64(cell * (2 * CELL))
        for n in range(CELL):
            i = np.uint64(n)
            packed = slopes[twice + np.uint64(2 * n + 1)]
            along_u = np.float32(np.int32(np.int32(packed << 16) >> 16)) * fractions[twice + i]
            along_v = np.float32(np.int32(packed >> 16)) * fractions[twice + np.uint64(CELL) + i]
            distances[first + i] = (along_u + along_v) * unit + (depth[twice + np.uint64(2 * n)] - distances[first + i])


@njit(cache=True, nogil=True)
def _find_kinds(distances, pixels, rules, kinds, label_pixels, start, end):
    """Says what cells have; whether some cell has a voxel within the band."""
    band, label_band = np.float32(rules.truncation_m), np.float32(rules.label_band_m)
    none, seen, within, labelled = np.int32(0), np.int32(SEEN), np.int32(WITHIN), np.int32(LABELLED)
    any_kind = np.int32(0)
    for cell in range(start, end):
        kind, first = np.int32(0), np.uint64(cell * CELL)
        for n in range(CELL):
            d = distances[first + np.uint64(n)]
            kind |= seen if d >= -band else none
            kind |= within if abs(d) <= band else none
            kind |= labelled if abs(d) <= label_band else none
            label_pixels[first + np.uint64(n)] = pixels[first + np.uint64(n)] if abs(d) <= label_band else none
        kinds[cell] = kind
        any_kind |= kind
    return any_kind & within > 0


@njit(cache=True, nogil=True)
def _read_chosen(plane, pixels, values, cells):
    for cell in cells:
        _read(plane, pixels, values, cell, cell + 1)
