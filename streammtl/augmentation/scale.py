"""Resizing all views."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from streammtl.errors import ConfigError
from streammtl.geometry import resize_intrinsics
from streammtl.tasks.registry import task_spec
from streammtl.tasks.spec import Resample
from streammtl.views import ViewBatch

EDGE = 0.02  # depth that linear resampling moves by more than this fraction lies across an edge
SMALLEST_M = 1e-3


def scale_views(batch: ViewBatch, factor: float) -> ViewBatch:
    """All views resized by `factor`, as a longer focal length would: K scales, depth and poses stay.

    Sizes are rounded to whole pixels, and K follows what came out. Raises: ConfigError for a factor that is not > 0.
    """
    height, width = batch.images.shape[-2:]
    if not factor > 0:
        raise ConfigError(f"scale factor is {factor}; it must be greater than 0.")
    size = max(1, round(height * factor)), max(1, round(width * factor))
    return replace(
        batch,
        images=_resized_images(batch.images, size),
        next_images=None if batch.next_images is None else _resized_images(batch.next_images, size),
        K=resize_intrinsics(batch.K, (height, width), size),
        targets={name: _resized_labels(name, batch, size) for name in batch.targets},
        valid={name: _nearest(mask, size) for name, mask in batch.valid.items()},
    )


def _resized_images(images: Tensor, size: tuple[int, int]) -> Tensor:
    smaller = size[0] < images.shape[-2]
    resized = F.interpolate(images.flatten(0, 1), size, mode="bilinear", align_corners=False, antialias=smaller)
    return resized.clamp(0, 1).unflatten(0, images.shape[:2])


def _resized_labels(name: str, batch: ViewBatch, size: tuple[int, int]) -> Tensor:
    spec, target = task_spec(name), batch.targets[name]
    resized = _nearest(target, size)
    if spec.resample is not Resample.NEAREST:
        valid = batch.valid.get(name, torch.ones_like(target[:, :, :1], dtype=torch.bool))
        resized = _smoothed(target, valid, resized, spec.resample)
    if spec.scales_with_image:
        height, width = target.shape[-2:]
        resized = resized * resized.new_tensor((size[1] / width, size[0] / height))[:, None, None]
    return resized


def _nearest(x: Tensor, size: tuple[int, int]) -> Tensor:
    resized = F.interpolate(x.flatten(0, 1).double(), size, mode="nearest-exact")
    return resized.to(x.dtype).unflatten(0, x.shape[:2])


def _smoothed(target: Tensor, valid: Tensor, nearest: Tensor, rule: Resample) -> Tensor:
    """Linear where all four neighbours are valid and, for depth, no edge lies between them; else nearest."""
    size, views = nearest.shape[-2:], target.shape[:2]

    def linear(x: Tensor) -> Tensor:
        resized = F.interpolate(x.flatten(0, 1), size, mode="bilinear", align_corners=False)
        return resized.unflatten(0, views)

    whole = linear(valid.to(target.dtype)) > 1 - 1e-4
    known = torch.where(valid, target, 1)
    if rule is Resample.LINEAR:
        return torch.where(whole, linear(known), nearest)
    depth = 1 / linear(1 / known.clamp(min=SMALLEST_M))
    return torch.where(whole & ((depth - nearest).abs() < EDGE * nearest), depth, nearest)
