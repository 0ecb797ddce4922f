"""A rendered clip as footage."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from streammtl.data.clip import Clip
from streammtl.data.footage import FrameGeometry, Label, Window
from streammtl.tasks.spec import IGNORE


class ClipFootage:
    """Reads windows of a clip, each straight from the file; only the labels of `tasks`, where they are given."""

    def __init__(self, clip: Clip, tasks: Sequence[str] | None = None) -> None:
        self._clip, self._tasks = clip, tasks
        self.frames = geometry_of(clip)

    @property
    def references(self) -> Sequence[int]:
        return range(len(self._clip.images))

    def image(self, frame: int, window: Window) -> np.ndarray:
        return window.of(self._clip.images, frame)

    def label(self, task: str, frame: int, window: Window) -> Label:
        taken = task in TRUTH and (self._tasks is None or task in self._tasks)
        return TRUTH[task](self._clip, frame, window) if taken else None

    def coarse_depth(self, frame: int) -> np.ndarray:
        return np.array(self._clip.depth_m[frame, 2::8, 2::8], np.float32).ravel()


def geometry_of(clip: Clip) -> FrameGeometry:
    """The cameras of a clip."""
    return FrameGeometry(np.asarray(clip.T_world_cam), np.asarray(clip.K), tuple(clip.images.shape[1:3]))


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
