"""Views as models take them."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from mapping.slam.view_selection import View, ViewTuple
from streammtl.models.settings import ModelSettings
from streammtl.views import ViewBatch


def view_batch(views: ViewTuple, width: int, height: int, settings: ModelSettings, single_view: bool) -> ViewBatch:
    """One ViewBatch of V = 1 + k views at width x height; images are area-averaged, K scaled with its half pixel.

    A view whose scale is yet to be found is looked at alone, and between the depths of the settings: its points have no
    metres, and a network would read some into their range.
    """
    chosen: list[View] = [views.reference] + ([] if single_view else views.neighbours)
    images = [cv2.resize(v.image, (width, height), interpolation=cv2.INTER_AREA) for v in chosen]
    near, far = settings.near_m, settings.far_m
    if not single_view:
        near, far = views.depth_range(near, far)
    return ViewBatch(
        images=torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)[None].float() / 255,
        K=torch.from_numpy(np.stack([v.camera.scaled(width, height).K for v in chosen]))[None].float(),
        T_world_cam=torch.from_numpy(np.stack([v.T_world_cam for v in chosen]))[None],
        view_mask=torch.ones(1, len(chosen), dtype=torch.bool),
        near_m=torch.tensor([near], dtype=torch.float32),
        far_m=torch.tensor([far], dtype=torch.float32),
    )
