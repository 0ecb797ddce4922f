"""Tiny maps whose every number follows from the number of the commit, so that any mixture of commits shows."""

from __future__ import annotations

import numpy as np

from mapping.records import Blocks, FrameRecord, KeyframeRecord, Submap
from mapping.slam.tracked import TrackStatus
from mapping.store import LabelSpaceRecord, MapHeader, Progress, Provenance
from streammtl.camera import Camera
from streammtl.views import ScaleStatus

FRAMES_PER_SUBMAP = 4
LABELS = LabelSpaceRecord(
    name="test", ids=(0, 1, 2), names=("none", "wall", "Tür"), palette=((0, 0, 0), (174, 199, 232), (255, 0, 1))
)


def pose(x: float, y: float = 0.0, z: float = 0.0, yaw: float = 0.0) -> np.ndarray:
    """A camera-to-world pose f64 [4,4] turned by `yaw` radians about y."""
    T = np.eye(4)
    T[:3, :3] = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    T[:3, 3] = x, y, z
    return T


def blocks(count: int, value: float, labels_per_voxel: int = 2) -> Blocks:
    """`count` blocks filled with numbers that hold `value`; exactly representable on disk for small whole values."""
    cube = (count, 8, 8, 8)
    index = np.stack([np.arange(count), -np.arange(count), np.full(count, int(value))], axis=1).astype(np.int32)
    return Blocks(
        index=index,
        tsdf=np.full(cube, value / 1024, dtype=np.float32),
        weight=np.full(cube, value, dtype=np.float32),
        colour=np.full((*cube, 3), int(value) % 256, dtype=np.uint8),
        label_ids=np.full((*cube, labels_per_voxel), int(value) % 3, dtype=np.uint8),
        label_weights=np.full((*cube, labels_per_voxel), value / 2, dtype=np.float32),
    )


def frame(index: int, keyframe: bool = True) -> FrameRecord:
    status = TrackStatus.LOST if index % 5 == 3 else TrackStatus.TRACKED
    T = np.full((4, 4), np.nan) if status == TrackStatus.LOST else pose(0.1 * index, yaw=0.01 * index)
    return FrameRecord(index, index / 30, T, status, ScaleStatus.METRIC, keyframe and status == TrackStatus.TRACKED)


def keyframe(index: int, submap: int = 0, size: tuple[int, int] = (24, 32)) -> KeyframeRecord:
    height, width = size
    image = np.full((height, width, 3), (40 * index) % 256, dtype=np.uint8)
    depth = np.full((height // 2, width // 2), 1 + index / 8, dtype=np.float32)
    return KeyframeRecord(
        frame=index,
        timestamp_s=index / 30,
        submap=submap,
        T_submap_cam=pose(0.1 * index, yaw=0.01 * index),
        camera=Camera.pinhole(width, height, 30.0, 31.0, 15.5, 11.5),
        image=image,
        depth_m=depth,
        confidence=np.full_like(depth, (index % 5) / 5),
        label_ids=np.full(depth.shape, index % 3, dtype=np.uint8),
    )


def header(next_frame: int = 0, **fields: object) -> MapHeader:
    settings: dict[str, object] = {
        "voxel_size_m": 0.02,
        "truncation_m": 0.08,
        "label_space": LABELS,
        "provenance": Provenance(version="0.1.0", source="tiny", source_kind="test"),
        "progress": Progress(next_frame=next_frame, elapsed_s=0.5 * next_frame),
    }
    return MapHeader(**(settings | fields))


def commit_number(n: int) -> dict[str, object]:
    """The arguments of commit n (1, 2, …): one more frame, a bigger checkpoint of the open submap, a new state."""
    number, first = (n - 1) // FRAMES_PER_SUBMAP, (n - 1) // FRAMES_PER_SUBMAP * FRAMES_PER_SUBMAP
    frames = [frame(i) for i in range(first, n)]
    closed = len(frames) == FRAMES_PER_SUBMAP
    submap = Submap(number, 0, pose(0.16 * number), blocks(len(frames), n), frames, closed)
    return {
        "submaps": [submap],
        "keyframes": [keyframe(n - 1, number)] if frames[-1].keyframe else [],
        "state": {
            "tracker": {"next": np.array([n]), "points": np.full((n, 3), float(n))},
            "scale": {"ratio": np.array(n / 2)},
        },
        "header": header(n),
    }
