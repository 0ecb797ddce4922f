"""Whether the numbers in a map agree with each other, as far as they can be read."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import zarr

from mapping.fusion.block_index import REACH
from mapping.store import keyframes as keyframe_arrays
from mapping.store.damage import DAMAGE, first_line
from mapping.store.header import MapHeader, SubmapEntry
from mapping.store.place import Place
from mapping.store.validate import Problem


def consistency_problems(place: Place, header: MapHeader, known: list[Problem]) -> Iterator[Problem]:
    """Blocks named twice, keyframes of no submap and the like, in what `known` problems leave to be read."""
    root = zarr.open_group(place.zarr_store(), mode="r")
    damaged = {problem.number for problem in known if problem.part == "voxels"}
    for entry in header.submaps:
        if entry.blocks and entry.number not in damaged:
            yield from (Problem("voxels", entry.number, text) for text in _index_problems(place, root, entry))
    if header.keyframes and not any(problem.part.startswith("keyframe") for problem in known):
        yield from _keyframe_problems(place, root, header)


def _index_problems(place: Place, root: zarr.Group, entry: SubmapEntry) -> Iterator[str]:
    try:
        index = np.asarray(root[f"{entry.group}/block_index"][:]).astype(np.int64)
    except (*DAMAGE, *place.errors) as error:
        yield f"{entry.group}/block_index cannot be read: {first_line(error)}"
        return
    if index.min() < -REACH or index.max() >= REACH:
        yield f"{entry.group}/block_index holds {np.abs(index).max()}, which is out of reach"
    elif len(np.unique((index + REACH) @ np.array([1, 2 * REACH, 4 * REACH**2]))) != len(index):
        yield f"{entry.group}/block_index names a block twice"


def _keyframe_problems(place: Place, root: zarr.Group, header: MapHeader) -> Iterator[Problem]:
    found, count = [], header.keyframes
    for name in ("submap", "frame"):
        damage = keyframe_arrays.damaged_entries(place, root[f"{keyframe_arrays.GROUP}/{name}"], range(count))
        found += [Problem("keyframe", i, text) for i, text in damage]
    yield from found
    if found:
        return
    unknown = set(keyframe_arrays.read_column(root, "submap", count).tolist()) - {e.number for e in header.submaps}
    if unknown:
        yield Problem("keyframes", None, f"keyframes name submaps {sorted(unknown)}, which the root does not")
    if len(np.unique(keyframe_arrays.read_column(root, "frame", count))) != count:
        yield Problem("keyframes", None, "a frame is a keyframe twice")
