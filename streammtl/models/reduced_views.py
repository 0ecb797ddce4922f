"""A batch seen smaller, and what a network says of it brought back to size."""

from __future__ import annotations

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor

from streammtl.geometry import resize_intrinsics, unit
from streammtl.views import ViewBatch


def reduced_size(height: int, width: int, share: float, multiple: int) -> tuple[int, int]:
    """Height and width times `share`, to the nearest multiples, of which there is one at least."""
    smaller_height, smaller_width = (max(1, round(share * side / multiple)) * multiple for side in (height, width))
    return smaller_height, smaller_width


def reduced(batch: ViewBatch, height: int, width: int) -> ViewBatch:
    """The batch with images [B,V,3,height,width], area-averaged, and K of that grid; without labels."""
    K = resize_intrinsics(batch.K, tuple(batch.images.shape[-2:]), (height, width))
    images = F.interpolate(batch.images.flatten(0, 1), (height, width), mode="area").unflatten(
        0, batch.images.shape[:2]
    )
    return replace(batch, images=images, K=K, targets={}, valid={}, next_images=None)


def enlarged(values: dict[str, Tensor], height: int, width: int) -> dict[str, Tensor]:
    """Maps [B,C,h,w] of a network at [B,C,height,width], between pixels by their mean; normals of unit length again."""
    large = {
        task: F.interpolate(value, (height, width), mode="bilinear", align_corners=False)
        for task, value in values.items()
    }
    if "normals" in large:
        large["normals"] = unit(large["normals"])
    return large
