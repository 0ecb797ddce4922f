"""Windows of fixed size over the maps of several tasks, with padding that is known as such."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class TaskWindows:
    """Where windows of `side` x `side` lie on maps of `size` (height, width).

    Maps are padded up to whole windows at the bottom and right; `offset` more rows and columns are padded at the top
    and left, which shifts the windows without wrapping around. Every window holds some pixel of the maps.
    """

    size: tuple[int, int]
    side: int
    offset: int = 0

    def split(self, maps: Tensor) -> Tensor:
        """[B,T,h,w,C] to tokens [B·M,T·side²,C]: window by window, in it task by task, in those row by row."""
        batch, tasks, _, _, channels = maps.shape
        (top, bottom), (left, right) = self._padding
        x = F.pad(maps, (0, 0, left, right, top, bottom))
        rows, columns = self._counts
        x = x.view(batch, tasks, rows, self.side, columns, self.side, channels).permute(0, 2, 4, 1, 3, 5, 6)
        return x.reshape(batch * rows * columns, tasks * self.side**2, channels)

    def merge(self, tokens: Tensor, tasks: int) -> Tensor:
        """The inverse of split: [B·M,T·side²,C] to [B,T,h,w,C]."""
        rows, columns = self._counts
        channels = tokens.shape[-1]
        x = tokens.view(-1, rows, columns, tasks, self.side, self.side, channels).permute(0, 3, 1, 4, 2, 5, 6)
        x = x.reshape(x.shape[0], tasks, rows * self.side, columns * self.side, channels)
        height, width = self.size
        return x[:, :, self.offset : self.offset + height, self.offset : self.offset + width]

    def inside(self, batch: int, tasks: int, device: torch.device) -> Tensor | None:
        """bool [B·M,1,1,T·side²]: tokens that are no padding; None where there is none."""
        if not any(self._padding[0] + self._padding[1]):
            return None
        real = torch.ones(batch, tasks, *self.size, 1, device=device)
        return self.split(real)[..., 0].bool()[:, None, None]

    @property
    def _counts(self) -> tuple[int, int]:
        height, width = self.size
        return -(-(self.offset + height) // self.side), -(-(self.offset + width) // self.side)

    @property
    def _padding(self) -> tuple[tuple[int, int], tuple[int, int]]:
        before = self.offset
        above, beside = (n * self.side - before - s for n, s in zip(self._counts, self.size, strict=True))
        return (before, above), (before, beside)
