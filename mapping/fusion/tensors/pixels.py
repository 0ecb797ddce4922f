"""What every pixel of a frame contributes, and where depth lies per tile."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mapping.fusion.settings import FusionSettings
from mapping.fusion.tensors.frame import TILE, Frame, Lens
from mapping.fusion.tensors.rounding import chance
from mapping.fusion.voxels import COLOUR_ONE, LABEL_MOST, MOST, units_of


class Pixels(NamedTuple):
    """Pixels row by row, with a border of one that sees nothing. The first two are gathered by voxels, row by row."""

    geometry: Tensor  # f32 [(h+2)*(w+2),3] depth m at the pixel's left upper corner, NaN = not used; slope along u, v
    content: Tensor  # i32 [(h+2)*(w+2),3+m] weight on a surface and before it, in units; colour as in voxels; labels
    tiles: Tensor  # f32 [tiles,2] -near, far: m, the depths that the bands of a tile's pixels reach; -inf = none


def weigh_pixels(frame: Frame, lens: Lens, settings: FusionSettings) -> Pixels:
    """Weights every pixel as `mapping.fusion.pixels.weigh_pixels` does: confidence * cos(normal, view) / z^2."""
    depth = torch.where(frame.depth_m > 0, frame.depth_m, math.nan)
    trust = torch.where(frame.confidence >= settings.min_confidence, frame.confidence, 0.0)
    used = (depth >= settings.near_m) & (depth <= settings.far_m) & (trust > 0)
    slope = _slope(depth, 0.5 * settings.truncation_m)
    weight = _weight(depth, trust, slope, lens, settings)
    slope = slope.nan_to_num(0.0)
    depth = torch.where(used, depth, math.nan)
    geometry = torch.cat([(depth - 0.5 * slope.sum(0))[None], slope]).permute(1, 2, 0)
    freed = (weight * settings.free_space_weight + 0.5).floor()
    colour = frame.image.int() * COLOUR_ONE
    colour = colour[..., 0] | colour[..., 1] << 10 | colour[..., 2] << 20
    columns = torch.stack([weight.int(), freed.int(), colour], -1)
    content = torch.cat([columns, _labels(frame, weight, lens, settings)], -1)
    band = settings.truncation_m + 0.5 * slope.abs().sum(0)  # the slope reaches half a pixel to either side
    return Pixels(_bordered(geometry, math.nan), _bordered(content, 0), _tiles(depth, band))


def _slope(depth: Tensor, step: float) -> Tensor:
    """f32 [2,h,w] from whichever neighbours lie at a similar depth; NaN where neither does."""
    around = F.pad(depth, (1, 1, 1, 1), value=math.nan)
    beside = torch.stack([around[1:-1, :-2], around[:-2, 1:-1], around[1:-1, 2:], around[2:, 1:-1]]) - depth
    fits = beside.abs() < step
    beside = torch.where(fits, beside, 0.0)
    return (beside[2:] - beside[:2]) / (fits[2:].float() + fits[:2].float())


def _weight(depth: Tensor, trust: Tensor, slope: Tensor, lens: Lens, settings: FusionSettings) -> Tensor:
    """f32 [h,w] in whole units, at least one; the normal is derived beside the kernel of the CPU."""
    ab = slope * lens.focal
    c = depth + (ab * lens.rays).sum(0)
    cosine = depth / (((ab * ab).sum(0) + c * c) * lens.ray_squared).sqrt()
    cosine = cosine.nan_to_num(settings.cosine_floor).clamp(min=settings.cosine_floor)  # NaN without slope
    weight = (trust * cosine / (depth * depth)).clamp(max=settings.max_pixel_weight)
    return (weight * (1 / units_of(settings).weight) + 0.5).floor().clamp(1, MOST).nan_to_num(0.0)


def _labels(frame: Frame, weight: Tensor, lens: Lens, settings: FusionSettings) -> Tensor:
    """i32 [h,w,m] id in the low byte, evidence above: the pixel's weight times the label's probability."""
    ids, units = frame.label_ids.int(), units_of(settings)
    bits = frame.depth_m.view(torch.int32) + lens.places + frame.turn
    numbers = torch.arange(ids.shape[2], dtype=torch.int32, device=ids.device) << 22  # the second label turns by a half
    evidence = frame.label_probabilities.clamp(0, 1) * (weight * (units.weight / units.label))[..., None]
    evidence = (evidence + chance(bits[..., None] + numbers)).clamp(max=LABEL_MOST).int()
    return torch.where((ids > 0) & (evidence > 0), evidence << 8 | ids, 0)


def _bordered(image: Tensor, nothing: float) -> Tensor:
    """[(h+2)*(w+2),c] of [h,w,c]"""
    return F.pad(image, (0, 0, 1, 1, 1, 1), value=nothing).flatten(0, 1)


def _tiles(depth: Tensor, band: Tensor) -> Tensor:
    """Of all levels, one after the other, each half as fine as the one before."""
    ranges = torch.stack([band - depth, band + depth]).nan_to_num(-math.inf)
    levels = [F.max_pool2d(ranges[None], TILE, ceil_mode=True)[0]]
    while max(levels[-1].shape[1:]) > 1:
        levels.append(F.max_pool2d(levels[-1][None], 2, ceil_mode=True)[0])
    return torch.cat([level.flatten(1) for level in levels], 1).T.contiguous()
