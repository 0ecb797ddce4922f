"""Plain data between tracking, fusion, store, surface and export: what a map is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mapping.slam.tracked import TrackStatus
from streammtl.camera import Camera
from streammtl.views import ScaleStatus

BLOCK_SIZE = 8  # voxels along each side of a block


@dataclass
class Blocks:
    """Voxel blocks of one grid, as arrays.

    Convention: voxel [x,y,z] of the block with index b is a sample at point (b * 8 + (x,y,z)) * voxel_size_m of the
    grid's frame. tsdf is a fraction of the truncation distance, positive in front of the surface, in [-1,1]. Weight 0 =
    never seen.
    """

    index: np.ndarray  # i32 [M,3]
    tsdf: np.ndarray  # f32 [M,8,8,8]
    weight: np.ndarray  # f32 [M,8,8,8]
    colour: np.ndarray  # u8 [M,8,8,8,3]
    label_ids: np.ndarray  # u8 [M,8,8,8,k]; 0 = no label; ordered by falling weight
    label_weights: np.ndarray  # f32 [M,8,8,8,k]

    def __len__(self) -> int:
        return len(self.index)


@dataclass
class FrameRecord:
    """One frame of a submap's stretch of the path."""

    index: int
    timestamp_s: float
    T_submap_cam: np.ndarray  # f64 [4,4]; NaN while the frame has no pose
    status: TrackStatus
    scale_status: ScaleStatus
    keyframe: bool  # fused into the map
    confidence: float = np.nan  # mapping.slam.tracked.pose_confidence; NaN: not known


@dataclass
class KeyframeRecord:
    """One fused frame: all that re-fusion, export and evaluation need."""

    frame: int
    timestamp_s: float
    submap: int
    T_submap_cam: np.ndarray  # f64 [4,4]
    camera: Camera  # pinhole, of the image as recorded
    image: np.ndarray  # u8 [H,W,3]
    depth_m: np.ndarray  # f32 [h,w] as fused, 0 = none; h,w may be smaller than the image
    confidence: np.ndarray  # f32 [h,w] in [0,1]
    label_ids: np.ndarray  # u8 [h,w] most probable label, 0 = none


@dataclass
class Submap:
    """The voxels of one stretch of the path, in the frame of its anchor. Immutable once closed.

    A new anchor is a pure translation by whole blocks, so submaps that no correction has moved lie on one common grid
    and merge exactly; moved ones are resampled.
    """

    number: int
    component: int  # submaps of different components are not connected by tracking
    T_world_submap: np.ndarray  # f64 [4,4] the anchor
    blocks: Blocks
    frames: list[FrameRecord] = field(default_factory=list)
    closed: bool = False
