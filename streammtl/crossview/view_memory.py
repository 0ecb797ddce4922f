"""Features of views that were seen before: a keyframe is a source again and again, and looks the same each time."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor

VIEWS = 16  # kept; the neighbours of a keyframe are seldom older


class ViewMemory:
    """Remembers what a function of single images gave for the latest VIEWS of them, by their content.

    For networks whose weights stay as they are, on a CPU; each image is computed on its own, so that what is
    remembered never depends on what it was asked together with.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[Tensor, ...]] = OrderedDict()

    def __call__(self, compute: Callable[[Tensor], tuple[Tensor, ...]], images: Tensor) -> tuple[Tensor, ...]:
        """compute's maps [N,...] of images [N,3,H,W]."""
        found = [self._of_one(compute, image[None]) for image in images]
        return tuple(torch.cat(maps) for maps in zip(*found, strict=True))

    def _of_one(self, compute: Callable[[Tensor], tuple[Tensor, ...]], image: Tensor) -> tuple[Tensor, ...]:
        content = hashlib.blake2b(image.contiguous().numpy(), digest_size=16)
        content.update(repr((tuple(image.shape), image.dtype, torch.is_autocast_enabled("cpu"))).encode())
        key = content.digest()
        if key not in self._known:
            self._known[key] = compute(image)
            if len(self._known) > VIEWS:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]
