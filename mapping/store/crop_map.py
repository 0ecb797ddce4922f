"""The part of a map inside a box, as a map."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from mapping.records import BLOCK_SIZE, Blocks, Submap
from mapping.store.copying import Contents, keyframe_columns, with_history, write_contents
from mapping.store.header import MapHeader
from mapping.store.keyframes import Columns
from mapping.store.reader import MapReader, open_map
from mapping.store.settings import StoreSettings
from streammtl.camera import Camera
from streammtl.errors import StoreError

_BLOCKS_AT_ONCE = 4096
_PIXEL_STEP = 4  # depth of a keyframe is looked at in every fourth row and column
_SEEN_WITH = ("depth_m", "K", "image_size", "T_submap_cam", "submap")


def crop_map(
    path: Path | str, out: Path | str, low_m: np.ndarray, high_m: np.ndarray, settings: StoreSettings | None = None
) -> MapHeader:
    """Writes a map of the voxels between the corners low_m and high_m [3], in the world frame; gives its header.

    Voxels outside are as if never seen. Keyframes stay whose depth reaches into the box, and submaps, with all their
    frames, that keep a voxel or a keyframe. Raises: StoreError for an empty box, an empty result, and a damaged map.
    """
    low, high = np.asarray(low_m, np.float64), np.asarray(high_m, np.float64)
    if low.shape != (3,) or high.shape != (3,) or not (low < high).all():
        raise StoreError(f"the box from {low.tolist()} to {high.tolist()} is empty; give its low corner first.")
    reader = open_map(path)
    box = _Box(low, high)
    keyframes = _keyframes_in(reader, box)
    seen = set(reader.keyframe_submaps()[keyframes].tolist())
    numbers = [entry.number for entry in reader.header.submaps]
    kept = [number for number in numbers if number in seen or _reaches(reader, box, number)]
    if not kept:
        raise StoreError(f"the map {path} has nothing between {low.tolist()} and {high.tolist()}.")
    progress = reader.header.progress.model_copy(update={"complete": True, "frames_by_status": {}})
    header = with_history(reader.header.model_copy(update={"progress": progress}), cropped_to=[*low, *high])
    submaps = (_cropped(reader.submap(number), box, header.voxel_size_m) for number in kept)
    return write_contents(out, Contents(header, submaps, keyframe_columns(reader, keyframes)), settings)


class _Box:
    """A box along the axes of the world."""

    def __init__(self, low: np.ndarray, high: np.ndarray) -> None:
        self._low, self._high = low, high

    def holds(self, points: np.ndarray) -> np.ndarray:
        """bool [...]: which points [...,3] lie inside or on the border."""
        return ((points >= self._low) & (points <= self._high)).all(-1)

    def near(self, points: np.ndarray, distance: float) -> np.ndarray:
        """bool [...]: which points [...,3] may lie that close to the box."""
        return ((points >= self._low - distance) & (points <= self._high + distance)).all(-1)


def _near(index: np.ndarray, anchor: np.ndarray, box: _Box, voxel_size_m: float) -> np.ndarray:
    """bool [M]: which blocks may have voxels in the box."""
    centres = (index * BLOCK_SIZE + (BLOCK_SIZE - 1) / 2) * voxel_size_m
    return box.near(centres @ anchor[:3, :3].T + anchor[:3, 3], BLOCK_SIZE * voxel_size_m * np.sqrt(3) / 2)


def _reaches(reader: MapReader, box: _Box, number: int) -> bool:
    """Whether a submap has seen voxels in the box; few of its blocks are read."""
    entry, size = reader.header.entry(number), reader.header.voxel_size_m
    rows = np.flatnonzero(_near(reader.block_index(number), entry.anchor, box, size))
    for start in range(0, len(rows), _BLOCKS_AT_ONCE):
        _, blocks = reader.block_rows(number, rows[start : start + _BLOCKS_AT_ONCE], colour=False, labels=False)
        if (_inside(blocks.index, entry.anchor, box, size) & (blocks.weight > 0)).any():
            return True
    return False


def _inside(index: np.ndarray, anchor: np.ndarray, box: _Box, voxel_size_m: float) -> np.ndarray:
    """bool [M,8,8,8]: which voxels lie in the box."""
    inner = np.stack(np.meshgrid(*[np.arange(BLOCK_SIZE)] * 3, indexing="ij"), -1)
    points = (index[:, None, None, None] * BLOCK_SIZE + inner) * voxel_size_m
    return box.holds(points @ anchor[:3, :3].T + anchor[:3, 3])


def _cropped(submap: Submap, box: _Box, voxel_size_m: float) -> Submap:
    blocks = submap.blocks
    rows = np.flatnonzero(_near(blocks.index, submap.T_world_submap, box, voxel_size_m))
    parts = [rows[i : i + _BLOCKS_AT_ONCE] for i in range(0, max(1, len(rows)), _BLOCKS_AT_ONCE)]
    cut = [_cut(_rows(blocks, part), submap.T_world_submap, box, voxel_size_m) for part in parts]
    joined = Blocks(*(np.concatenate([getattr(part, f.name) for part in cut]) for f in fields(Blocks)))
    return replace(submap, blocks=joined, closed=True)


def _rows(blocks: Blocks, rows: np.ndarray) -> Blocks:
    return Blocks(*(getattr(blocks, field.name)[rows] for field in fields(Blocks)))


def _cut(blocks: Blocks, anchor: np.ndarray, box: _Box, voxel_size_m: float) -> Blocks:
    """Voxels outside are emptied, blocks without seen voxels are left out."""
    outside = ~_inside(blocks.index, anchor, box, voxel_size_m)
    for field in fields(Blocks):
        if field.name != "index":
            getattr(blocks, field.name)[outside] = 0
    return _rows(blocks, np.flatnonzero((blocks.weight > 0).any((1, 2, 3))))


def _keyframes_in(reader: MapReader, box: _Box) -> np.ndarray:
    """i64 [N] the keyframes whose depth reaches into the box."""
    anchors = {entry.number: entry.anchor for entry in reader.header.submaps}
    every = np.arange(len(reader))
    seen: list[bool] = []
    for columns in keyframe_columns(reader, every, _SEEN_WITH):
        seen += [_sees(columns, i, anchors, box) for i in range(len(columns["submap"]))]
    return every[np.array(seen, bool)]


def _sees(columns: Columns, i: int, anchors: dict[int, np.ndarray], box: _Box) -> bool:
    depth, K, (height, width) = columns["depth_m"][i].astype(np.float64), columns["K"][i], columns["image_size"][i]
    camera = Camera.pinhole(int(width), int(height), K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    camera = camera.scaled(depth.shape[1], depth.shape[0])
    v, u = np.mgrid[0 : depth.shape[0] : _PIXEL_STEP, 0 : depth.shape[1] : _PIXEL_STEP]
    z = depth[v, u]
    points = np.stack([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z], -1)[z > 0]
    T = anchors[int(columns["submap"][i])] @ columns["T_submap_cam"][i]
    return bool(box.holds(points @ T[:3, :3].T + T[:3, 3]).any())
