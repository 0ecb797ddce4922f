"""The nouns that stages hand to each other: Frame, SkippedFrame, ViewBatch, TaskOutputs.

Conventions everywhere: OpenCV axes (x right, y down, z forward), camera-to-world poses, metres, radians, seconds,
float64 poses, pixel centres at integers. `T_dst_src` maps points of frame src to frame dst.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from streammtl.camera import Camera

if TYPE_CHECKING:  # recordings import Frame in a decoding process of their own, which need not pay for torch
    from torch import Tensor


class ScaleStatus(StrEnum):
    """What a length means."""

    METRIC = "metric"  # metres
    UP_TO_SCALE = "up_to_scale"  # right up to one unknown factor, shared with the poses that came along


@dataclass(frozen=True)
class Frame:
    """One image of a recording, with whatever the recording knows about it."""

    index: int  # position in the recording, counting frames that were skipped
    timestamp_s: float
    image: np.ndarray  # u8 [H,W,3] RGB
    camera: Camera | None = None  # None: calibration unknown
    depth_m: np.ndarray | None = None  # f32 [H,W] metres along the optical axis, 0 = invalid
    T_world_cam: np.ndarray | None = None  # f64 [4,4] pose given with the recording
    points_xyz: np.ndarray | None = None  # f64 [N,3] scene points that this image sees, given with the pose
    pose_scale: ScaleStatus = ScaleStatus.METRIC  # what lengths of the given pose and points mean


@dataclass(frozen=True)
class SkippedFrame:
    """A place in a recording where no usable image was: damaged, of another size, undecodable."""

    index: int
    timestamp_s: float
    reason: str  # for people


@dataclass
class ViewBatch:
    """Reference views with their neighbours, as every model takes them. View 0 is the reference.

    Absent views are padded and masked out; targets and valid masks are partial: a task may be missing, a mask be False
    everywhere.
    """

    images: Tensor  # f32 [B,V,3,H,W] in [0,1]
    K: Tensor  # f32 [B,V,3,3] pixels of the HxW grid, integer centres
    T_world_cam: Tensor  # f64 [B,V,4,4]
    view_mask: Tensor  # bool [B,V]; False: padding or duplicate; view 0 always True
    near_m: Tensor  # f32 [B]
    far_m: Tensor  # f32 [B]
    targets: dict[str, Tensor] = field(default_factory=dict)  # task -> [B,V,C,H,W]
    valid: dict[str, Tensor] = field(default_factory=dict)  # task -> bool [B,V,1,H,W]
    next_images: Tensor | None = None  # f32 [B,V,3,H,W] each view's next frame, for tasks about motion


@dataclass
class TaskOutputs:
    """What a model says about the reference views of a ViewBatch.

    `values` holds final quantities: depth [B,1,H,W], semantics as probabilities [B,40,H,W], unit normals facing the
    camera [B,3,H,W] in camera axes, boundaries as probabilities [B,1,H,W]. `scale_status` tells what depth means:
    METRIC is in metres, UP_TO_SCALE in the unit of the batch's poses. `own_depth` is metric depth before neighbours and
    their poses were asked, where there is such.
    """

    values: dict[str, Tensor]
    confidence: Tensor  # f32 [B,1,H,W] in [0,1]; 0 = do not use
    scale_status: ScaleStatus
    own_depth: Tensor | None = None  # f32 [B,1,H,W]
