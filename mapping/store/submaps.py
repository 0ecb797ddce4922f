"""A submap as a Zarr group: its voxel blocks and the frames of its stretch of the path."""

from __future__ import annotations

import numpy as np
import zarr

from mapping.fusion.precision import STORED_TYPES, from_stored, to_stored
from mapping.records import BLOCK_SIZE, Blocks, FrameRecord, Submap
from mapping.slam.tracked import TrackStatus
from mapping.store.arrays import create_array, read_array, write_array
from mapping.store.contract import check_group
from mapping.store.damage import damaged
from mapping.store.header import SubmapEntry
from mapping.store.place import Place
from mapping.store.settings import StoreSettings
from streammtl.errors import StoreError
from streammtl.views import ScaleStatus

TRACK_STATUSES = [str(status) for status in TrackStatus]
SCALE_STATUSES = [str(status) for status in ScaleStatus]


def write_submap(root: zarr.Group, name: str, submap: Submap, settings: StoreSettings) -> SubmapEntry:
    """Writes a new group for a submap and gives the entry by which the root can name it."""
    group = root.create_group(name, attributes={"number": submap.number})
    for array_name, data in to_stored(submap.blocks).items():
        shards = (settings.blocks_per_shard, *data.shape[1:])
        # the index is small and always read whole: nothing is gained by parts of its files
        chunks = shards if array_name == "block_index" else (settings.blocks_per_chunk, *data.shape[1:])
        array = create_array(group, array_name, data.shape, data.dtype, chunks, None if chunks == shards else shards)
        if len(data):
            array[:] = data
    _write_frames(group.create_group("frames"), submap.frames)
    return SubmapEntry(
        group=name,
        number=submap.number,
        T_world_submap=np.asarray(submap.T_world_submap, dtype=np.float64).tolist(),
        component=submap.component,
        closed=submap.closed,
        blocks=len(submap.blocks),
        frames=len(submap.frames),
    )


def check_submap(submap: Submap) -> None:
    """Raises StoreError when the arrays do not belong together or the anchor is no pose."""
    blocks = submap.blocks
    cube = (len(blocks), BLOCK_SIZE, BLOCK_SIZE, BLOCK_SIZE)
    kept = blocks.label_ids.shape[-1:]
    expected = {
        "index": (len(blocks), 3),
        "tsdf": cube,
        "weight": cube,
        "colour": (*cube, 3),
        "label_ids": (*cube, *kept),
        "label_weights": (*cube, *kept),
    }
    for name, shape in expected.items():
        got = getattr(blocks, name).shape
        if got != shape:
            raise StoreError(
                f"submap {submap.number}: blocks.{name} has shape {got}, expected {shape}; arrays of a grid go "
                "together."
            )
    if np.shape(submap.T_world_submap) != (4, 4) or not np.isfinite(submap.T_world_submap).all():
        raise StoreError(f"submap {submap.number} has the anchor {submap.T_world_submap}; expected a finite 4x4 pose.")
    for frame in submap.frames:
        if np.shape(frame.T_submap_cam) != (4, 4):
            raise StoreError(
                f"frame {frame.index} has a pose of shape {np.shape(frame.T_submap_cam)}; expected 4x4, NaN "
                "where there is none."
            )


def _write_frames(group: zarr.Group, frames: list[FrameRecord]) -> None:
    poses = np.array([frame.T_submap_cam for frame in frames], dtype=np.float64).reshape(-1, 4, 4)
    write_array(group, "frame", np.array([frame.index for frame in frames], dtype=np.int64))
    write_array(group, "timestamp_s", np.array([frame.timestamp_s for frame in frames], dtype=np.float64))
    write_array(group, "T_submap_cam", poses)
    statuses = np.array([TRACK_STATUSES.index(frame.status) for frame in frames], dtype=np.uint8)
    write_array(group, "status", statuses, {"meanings": TRACK_STATUSES})
    scales = np.array([SCALE_STATUSES.index(frame.scale_status) for frame in frames], dtype=np.uint8)
    write_array(group, "scale_status", scales, {"meanings": SCALE_STATUSES})
    write_array(group, "keyframe", np.array([frame.keyframe for frame in frames], dtype=bool))
    write_array(group, "confidence", np.array([frame.confidence for frame in frames], dtype=np.float32))


def read_submap(place: Place, root: zarr.Group, entry: SubmapEntry) -> Submap:
    """A submap with its blocks as f32. Raises StoreError or KeyError when its group is damaged or gone."""
    blocks, frames = read_blocks(place, root, entry), read_frames(place, root, entry)
    return Submap(entry.number, entry.component, entry.anchor, blocks, frames, entry.closed)


def read_blocks(place: Place, root: zarr.Group, entry: SubmapEntry) -> Blocks:
    """The voxels of a submap, in memory as f32."""
    group = root[entry.group]
    check_group(place, group, "submap", {"M": entry.blocks})
    return from_stored({name: read_array(place, group, name) for name in STORED_TYPES})


def no_blocks(labels_per_voxel: int) -> Blocks:
    """The voxels of an empty submap."""
    cube = (0, BLOCK_SIZE, BLOCK_SIZE, BLOCK_SIZE)
    return from_stored(
        {
            "block_index": np.zeros((0, 3), np.int32),
            "tsdf": np.zeros(cube),
            "weight": np.zeros(cube),
            "colour": np.zeros((*cube, 3), np.uint8),
            "label_ids": np.zeros((*cube, labels_per_voxel), np.uint8),
            "label_weights": np.zeros((*cube, labels_per_voxel)),
        }
    )


def read_frame_columns(place: Place, root: zarr.Group, entry: SubmapEntry) -> dict[str, np.ndarray]:
    """The arrays of a submap's frames group, by name; statuses as codes into TRACK_STATUSES and SCALE_STATUSES.

    Confidence is NaN in maps that were written without it.
    """
    group = root[f"{entry.group}/frames"]
    check_group(place, group, "frames", {"F": entry.frames})
    names = ("frame", "timestamp_s", "T_submap_cam", "status", "scale_status", "keyframe", "confidence")
    columns = {name: read_array(place, group, name) for name in names if name != "confidence" or name in group}
    columns.setdefault("confidence", np.full(entry.frames, np.nan, np.float32))
    for name, meanings in (("status", TRACK_STATUSES), ("scale_status", SCALE_STATUSES)):
        if (columns[name] >= len(meanings)).any():
            raise damaged(place, f"{group.path}/{name} holds codes above {len(meanings) - 1}")
    return columns


def read_frames(place: Place, root: zarr.Group, entry: SubmapEntry) -> list[FrameRecord]:
    columns = read_frame_columns(place, root, entry)
    return [
        FrameRecord(
            int(frame),
            float(timestamp_s),
            T_submap_cam,
            TrackStatus(TRACK_STATUSES[status]),
            ScaleStatus(SCALE_STATUSES[scale]),
            bool(keyframe),
            float(confidence),
        )
        for frame, timestamp_s, T_submap_cam, status, scale, keyframe, confidence in zip(*columns.values(), strict=True)
    ]
