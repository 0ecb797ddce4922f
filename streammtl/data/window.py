"""A window of a clip's frames as tensors, with truth for the first of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
import torch
from torch import Tensor

from streammtl.augmentation.scale import scale_views
from streammtl.data.clip import Clip
from streammtl.errors import ConfigError
from streammtl.tasks.registry import task_spec
from streammtl.tasks.spec import IGNORE
from streammtl.views import ViewBatch


@dataclass(frozen=True)
class Window:
    """Rows top..top+height-1, columns left..left+width-1 of an image."""

    top: int
    left: int
    height: int
    width: int

    def of(self, frames: np.ndarray, frame: int) -> np.ndarray:
        """That part of a frame, copied out of the file."""
        rows, columns = slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)
        return np.array(frames[frame, rows, columns])


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
    clip: Clip, frames: Sequence[int], window: Window, size: tuple[int, int], tasks: Sequence[str]
) -> ViewBatch:
    """One sample [1,V,...] of `size` (height, width): the window of all frames.

    Depth is labelled in all views [1,V,...], which matching learns from; the other tasks in the first [1,1,...]. Tasks
    of which the clip holds no truth have no labels. The frames that follow come along where a task is about two. near_m
    and far_m are 0: the caller knows them.
    """
    following = None
    if any(task_spec(task).frames > 1 for task in tasks):
        last = len(clip.images) - 1
        following = _images(clip, [min(frame + 1, last) for frame in frames], window)
    K = torch.from_numpy(np.array(clip.K, np.float32))
    K[0, 2] -= window.left
    K[1, 2] -= window.top
    targets, valid = {}, {}
    for task in tasks:
        labelled = frames if task == "depth" else frames[:1]
        labels = [TRUTH[task](clip, frame, window) for frame in labelled] if task in TRUTH else [None]
        if labels[0] is not None:
            targets[task] = torch.stack([values for values, _ in labels])[None]
            valid[task] = torch.stack([known for _, known in labels])[None, :, None]
    sample = ViewBatch(
        images=_images(clip, frames, window),
        K=K.expand(1, len(frames), 3, 3).clone(),
        T_world_cam=torch.from_numpy(np.array(clip.T_world_cam[list(frames)], np.float64))[None],
        view_mask=torch.ones(1, len(frames), dtype=torch.bool),
        near_m=torch.zeros(1),
        far_m=torch.zeros(1),
        targets=targets,
        valid=valid,
        next_images=following,
    )
    return sample if (window.height, window.width) == size else scale_views(sample, size[0] / window.height)


def _images(clip: Clip, frames: Sequence[int], window: Window) -> Tensor:
    """f32 [1,V,3,h,w] in [0,1]."""
    images = np.stack([window.of(clip.images, frame) for frame in frames])
    return torch.from_numpy(images).permute(0, 3, 1, 2)[None].float() / 255


Label = tuple[Tensor, Tensor] | None  # values [C,H,W] and validity bool [H,W]


def _map(array: np.ndarray | None, frame: int, window: Window) -> Tensor | None:
    return None if array is None else torch.from_numpy(window.of(array, frame).astype(np.float32))


def _depth(clip: Clip, frame: int, window: Window) -> Label:
    depth = _map(clip.depth_m, frame, window)
    return depth[None], (depth > 0) & torch.isfinite(depth)


def _semantics(clip: Clip, frame: int, window: Window) -> Label:
    ids = torch.from_numpy(window.of(clip.labels, frame).astype(np.int64))
    return torch.where(ids > 0, ids - 1, IGNORE)[None], ids > 0


def _normals(clip: Clip, frame: int, window: Window) -> Label:
    normals = _map(clip.normals, frame, window).permute(2, 0, 1)
    length = normals.norm(dim=0)
    return normals / length.clamp(min=1), length > 0


def _boundaries(clip: Clip, frame: int, window: Window) -> Label:
    boundaries = _map(clip.boundaries, frame, window)
    return boundaries[None], torch.ones_like(boundaries, dtype=torch.bool)


def _vectors(name: str, scale: float = 1.0) -> Callable[[Clip, int, Window], Label]:
    def read(clip: Clip, frame: int, window: Window) -> Label:
        values = _map(getattr(clip, name), frame, window)
        if values is None:
            return None
        values = (values if values.ndim == 3 else values[..., None]).permute(2, 0, 1) * scale
        return values, torch.isfinite(values).all(0)

    return read


TRUTH: dict[str, Callable[[Clip, int, Window], Label]] = {
    "depth": _depth,
    "semantics": _semantics,
    "normals": _normals,
    "boundaries": _boundaries,
    "optical_flow": _vectors("flow"),
    "scene_flow": _vectors("scene_flow"),
    "albedo": _vectors("albedo", 1 / 255),
    "shading": _vectors("shading"),
    "saliency": _vectors("moving"),  # what moves by itself stands out
}
