"""Cutting a window out of all views."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from streammtl.errors import ShapeError
from streammtl.tasks.registry import task_spec
from streammtl.tasks.spec import IGNORE, TaskKind
from streammtl.views import ViewBatch


def crop_views(batch: ViewBatch, top: int, left: int, size: tuple[int, int]) -> ViewBatch:
    """The window of `size` (height, width) whose first pixel is (top, left), of every view.

    The principal point moves by (left, top). A window may reach beyond the image: there images are black and labels
    not valid. Raises: ShapeError where the window misses the image.
    """
    height, width = batch.images.shape[-2:]
    edges = (-left, left + size[1] - width, -top, top + size[0] - height)  # what F.pad adds; negative cuts
    if not (-size[0] < top < height and -size[1] < left < width):
        raise ShapeError(f"window {size} at ({top}, {left}) misses the {height}x{width} image.")
    K = batch.K.clone()
    K[..., 0, 2] -= left
    K[..., 1, 2] -= top
    valid = dict(batch.valid)
    if max(edges) > 0:
        everywhere = torch.ones_like(batch.images[:, :, :1], dtype=torch.bool)
        valid = {name: batch.valid.get(name, everywhere) for name in batch.targets} | valid
    return replace(
        batch,
        images=F.pad(batch.images, edges),
        next_images=None if batch.next_images is None else F.pad(batch.next_images, edges),
        K=K,
        targets={name: _cut(name, target, edges) for name, target in batch.targets.items()},
        valid={name: F.pad(mask, edges, value=False) for name, mask in valid.items()},
    )


def _cut(name: str, target: Tensor, edges: tuple[int, int, int, int]) -> Tensor:
    categorical = task_spec(name).kind is TaskKind.CATEGORICAL
    return F.pad(target, edges, value=IGNORE if categorical else 0)
