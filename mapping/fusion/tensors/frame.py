"""An observation on the device, and what only its camera decides."""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mapping.fusion.observation import DepthObservation
from streammtl.camera import Camera

TILE = 8  # pixels along each side of the finest tiles
WINDOW = 4  # tiles along each side that a block is compared with
ROUNDING_PX = 1e-2
LINE = 0x3C6EF35F  # an odd number: lines take other chances than their neighbours


class Frame(NamedTuple):
    """The arrays of a `DepthObservation`; m may be 0."""

    depth_m: Tensor  # f32 [h,w]
    confidence: Tensor  # f32 [h,w]
    image: Tensor  # u8 [h,w,3]
    label_ids: Tensor  # u8 [h,w,m]
    label_probabilities: Tensor  # f32 [h,w,m]
    turn: Tensor  # i32 [], by which chances differ from those of a frame with another pose


class Lens(NamedTuple):
    """What a camera makes of points and pixels. u before v everywhere; a border of one pixel surrounds the image."""

    focal: Tensor  # f32 [2,1,1] px
    rays: Tensor  # f32 [2,h,w], x and y at depth 1
    places: Tensor  # i32 [h,w], by which chances differ from pixel to pixel
    ray_squared: Tensor  # f32 [h,w], squared length of (x, y, 1)
    centre: Tensor  # f32 [2,1] px, of the optical axis, from the outer corner of the border
    last: Tensor  # f32 [2,1] px, the first value beyond the image; in the border
    ends: Tensor  # f32 [2,2] px, the optical axis from the image's corner, with room for rounding: at low, at high ends
    size: Tensor  # f32 [2] px
    level_of: Tensor  # i64 [n], level of tiles to look at, by the tiles that something covers along its longer side
    first_tile: Tensor  # i64 [levels], number of its first tile
    tile_columns: Tensor  # i64 [levels]


def frame_of(observation: DepthObservation, device: torch.device) -> Frame:
    """The arrays of an observation that has been checked, on the device."""

    def moved(array: np.ndarray, dtype: type) -> Tensor:
        # writable, since PyTorch warns of what is not
        return torch.from_numpy(np.require(array, dtype, ["C", "W"])).to(device, non_blocking=True)

    depth = moved(observation.depth_m, np.float32)
    h, w = depth.shape
    trust, ids, probabilities = observation.confidence, observation.label_ids, observation.label_probabilities
    labels = torch.empty((h, w, 0), dtype=torch.uint8, device=device) if ids is None else moved(ids, np.uint8)
    return Frame(
        depth,
        torch.ones_like(depth) if trust is None else moved(trust, np.float32),
        moved(observation.image, np.uint8),
        labels,
        torch.ones_like(labels, dtype=torch.float32) if probabilities is None else moved(probabilities, np.float32),
        moved(np.uint32(zlib.crc32(observation.T_submap_cam.tobytes())).view(np.int32), np.int32),
    )


def lens_of(camera: Camera, device: torch.device) -> Lens:
    """Of a pinhole camera."""
    h, w = camera.height, camera.width
    focal, middle, size = np.array([camera.fx, camera.fy]), np.array([camera.cx, camera.cy]), np.array([w, h])
    rays = (np.indices((h, w))[::-1] - middle[:, None, None]) / focal[:, None, None]
    margin = np.array([-ROUNDING_PX, ROUNDING_PX])[:, None]
    levels = _levels(h, w)
    spans = np.arange(max(levels[0]))
    level_of = [next(n for n in range(len(levels)) if span >> n <= WINDOW - 2) for span in spans]
    counts = [rows * columns for rows, columns in levels]

    def on_device(values: np.ndarray | list, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.as_tensor(np.array(values), dtype=dtype, device=device)

    return Lens(
        focal=on_device(focal[:, None, None]),
        rays=on_device(rays),
        places=on_device(np.int32(LINE) * np.arange(h, dtype=np.int32)[:, None] + np.arange(w), torch.int32),
        ray_squared=on_device((rays**2).sum(0) + 1),
        centre=on_device(middle[:, None] + 1.5),
        last=on_device(size[:, None] + 1),
        ends=on_device(middle + 0.5 + margin),
        size=on_device(size),
        level_of=on_device(level_of, torch.int64),
        first_tile=on_device(np.cumsum([0, *counts[:-1]]), torch.int64),
        tile_columns=on_device([columns for _, columns in levels], torch.int64),
    )


def _levels(h: int, w: int) -> list[tuple[int, int]]:
    """Rows and columns of tiles at every level, down to one tile."""
    sizes = [(-(-h // TILE), -(-w // TILE))]
    while max(sizes[-1]) > 1:
        rows, columns = sizes[-1]
        sizes.append((-(-rows // 2), -(-columns // 2)))
    return sizes
