"""Some of a submap's blocks, without the rest: for queries on maps larger than memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import zarr

from mapping.fusion.precision import STORED_TYPES, from_stored
from mapping.records import BLOCK_SIZE, Blocks
from mapping.store.contract import MAX_FILE_BYTES, check_group
from mapping.store.damage import damaged
from mapping.store.header import SubmapEntry
from mapping.store.place import Place

GEOMETRY = ("tsdf", "weight")
LABELS = ("label_ids", "label_weights")


def read_block_index(place: Place, root: zarr.Group, entry: SubmapEntry) -> np.ndarray:
    """Block coordinates i32 [M,3] of a submap, in its own grid."""
    array = root[f"{entry.group}/block_index"]
    if array.shape != (entry.blocks, 3) or np.prod(array.shards or array.chunks) > MAX_FILE_BYTES:
        raise damaged(place, f"{array.path} has shape {array.shape} in chunks of {array.shards or array.chunks}")
    return _read_spans(place, array, [(0, entry.blocks)] if entry.blocks else []).astype(np.int32)


def read_block_rows(
    place: Place, root: zarr.Group, entry: SubmapEntry, rows: np.ndarray, colour: bool, labels: bool, others: bool
) -> tuple[np.ndarray, Blocks]:
    """The rows i64 [N] read, rising, and their blocks: `rows` alone, or with `others` whole chunks, which are what is
    read anyway.

    Without `colour` colours are zero; without `labels` there are no labels per voxel (k = 0).
    """
    group = root[entry.group]
    check_group(place, group, "submap", {"M": entry.blocks})
    names = ("block_index", *GEOMETRY, *(("colour",) if colour else ()), *(LABELS if labels else ()))
    chunk, rows = group["tsdf"].chunks[0], np.unique(np.asarray(rows, np.int64))
    spans = list(_spans(np.unique(rows // chunk), chunk, entry.blocks))
    found = np.concatenate([np.arange(a, b) for a, b in spans] or [np.zeros(0, np.int64)])
    kept = slice(None) if others else np.searchsorted(found, rows)
    arrays = {name: _read_spans(place, group[name], spans)[kept] for name in names}
    found = found[kept]
    cube = (len(found), BLOCK_SIZE, BLOCK_SIZE, BLOCK_SIZE)
    for name, width in (("colour", 3), ("label_ids", 0), ("label_weights", 0)):
        arrays.setdefault(name, np.zeros((*cube, width), STORED_TYPES[name]))
    return found, from_stored(arrays)


def _spans(chunks: np.ndarray, size: int, total: int) -> Iterator[tuple[int, int]]:
    """Rows [start, end) of runs of chunks that follow each other."""
    for run in np.split(chunks, np.flatnonzero(np.diff(chunks) > 1) + 1):
        if len(run):
            yield int(run[0]) * size, min((int(run[-1]) + 1) * size, total)


def _read_spans(place: Place, array: zarr.Array, spans: list[tuple[int, int]]) -> np.ndarray:
    outer = (array.shards or array.chunks)[0]
    files = sorted({i for start, end in spans for i in range(start // outer, (end - 1) // outer + 1)})
    names = ("/".join([array.path, "c", str(i), *["0"] * (array.ndim - 1)]) for i in files)
    for name in place.missing(names, array.path):  # Zarr itself reads them as zeros
        raise damaged(place, f"{name} is gone")
    parts = [np.asarray(array[start:end]) for start, end in spans]
    return np.concatenate(parts) if parts else np.zeros((0, *array.shape[1:]), array.dtype)
