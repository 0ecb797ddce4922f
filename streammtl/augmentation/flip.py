"""Mirroring left-right."""

from dataclasses import replace

import torch
from torch import Tensor

from streammtl.tasks.registry import task_spec
from streammtl.views import ViewBatch


def flip_views(batch: ViewBatch) -> ViewBatch:
    """All views of the batch mirrored, and the world with them, so that they still see one rigid scene.

    cx' = W - 1 - cx; T' = S T S with S = diag(-1, 1, 1, 1); x of normals, optical flow and scene flow changes sign.
    """
    width = batch.images.shape[-1]
    K = batch.K.clone()
    K[..., 0, 1] = -K[..., 0, 1]  # skew
    K[..., 0, 2] = width - 1 - K[..., 0, 2]
    mirror = torch.diag(batch.T_world_cam.new_tensor([-1.0, 1.0, 1.0, 1.0]))
    return replace(
        batch,
        images=batch.images.flip(-1),
        next_images=None if batch.next_images is None else batch.next_images.flip(-1),
        K=K,
        T_world_cam=mirror @ batch.T_world_cam @ mirror,
        targets={name: _flipped(name, target) for name, target in batch.targets.items()},
        valid={name: valid.flip(-1) for name, valid in batch.valid.items()},
    )


def _flipped(name: str, target: Tensor) -> Tensor:
    signs = task_spec(name).flip_signs
    mirrored = target.flip(-1)
    return mirrored * mirrored.new_tensor(signs)[:, None, None] if signs else mirrored
