"""A window of some frames of footage as tensors, with truth for the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import numpy as np
import torch
from torch import Tensor

from streammtl.augmentation.scale import scale_views
from streammtl.data.footage import Footage, Window
from streammtl.errors import ConfigError
from streammtl.tasks.registry import task_spec
from streammtl.views import ViewBatch


def draw_window(
    image: tuple[int, int], wanted: tuple[int, int], least_share: float, rng: np.random.Generator
) -> Window:
    """A window of the aspect ratio of `wanted` (height, width), whose sides are `least_share` to 1 of the largest
    such window of an image of size `image`.

    Raises: ConfigError where the image is too small for any.
    """
    common = gcd(*wanted)
    unit = wanted[0] // common, wanted[1] // common
    most = min(image[0] // unit[0], image[1] // unit[1])
    if most < 1:
        raise ConfigError(f"no window of aspect {unit[0]}:{unit[1]} fits into images of {image}; change the size.")
    count = int(rng.integers(max(1, round(most * least_share)), most + 1))
    height, width = count * unit[0], count * unit[1]
    top, left = int(rng.integers(image[0] - height + 1)), int(rng.integers(image[1] - width + 1))
    return Window(top, left, height, width)


def read_window(
    footage: Footage, frames: Sequence[int], window: Window, size: tuple[int, int], tasks: Sequence[str]
) -> ViewBatch:
    """One sample [1,V,...] of `size` (height, width): the window of all frames.

    Depth is labelled in all views [1,V,...], which matching learns from; the other tasks in the first [1,1,...]. Tasks
    of which the footage holds no truth have no labels. The frames that follow come along where a task is about two.
    near_m and far_m are 0: the caller knows them.
    """
    geometry, following = footage.frames, None
    if any(task_spec(task).frames > 1 for task in tasks):
        last = len(geometry.T_world_cam) - 1
        following = _images(footage, [min(frame + 1, last) for frame in frames], window)
    K = torch.from_numpy(np.array(geometry.K, np.float32))
    K[0, 2] -= window.left
    K[1, 2] -= window.top
    targets, valid = {}, {}
    for task in tasks:
        labelled = frames if task == "depth" else frames[:1]
        labels = [footage.label(task, frame, window) for frame in labelled]
        if labels[0] is not None:
            targets[task] = torch.stack([values for values, _ in labels])[None]
            valid[task] = torch.stack([known for _, known in labels])[None, :, None]
    sample = ViewBatch(
        images=_images(footage, frames, window),
        K=K.expand(1, len(frames), 3, 3).clone(),
        T_world_cam=torch.from_numpy(np.array(geometry.T_world_cam[list(frames)], np.float64))[None],
        view_mask=torch.ones(1, len(frames), dtype=torch.bool),
        near_m=torch.zeros(1),
        far_m=torch.zeros(1),
        targets=targets,
        valid=valid,
        next_images=following,
    )
    return sample if (window.height, window.width) == size else scale_views(sample, size[0] / window.height)


def _images(footage: Footage, frames: Sequence[int], window: Window) -> Tensor:
    """f32 [1,V,3,h,w] in [0,1]."""
    images = np.stack([footage.image(frame, window) for frame in frames])
    return torch.from_numpy(images).permute(0, 3, 1, 2)[None].float() / 255
