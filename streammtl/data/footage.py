"""What samples are made of: frames along one path with whatever truth they have, and the places they are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

Label = tuple[Tensor, Tensor] | None  # values [C,H,W] and validity bool [H,W]; None: no truth of that task


@dataclass(frozen=True)
class Window:
    """Rows top..top+height-1, columns left..left+width-1 of an image."""

    top: int
    left: int
    height: int
    width: int

    @property
    def pixels(self) -> tuple[slice, slice]:
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    def of(self, frames: np.ndarray, frame: int) -> np.ndarray:
        """That part of a frame of [F,H,W,...], copied out of the file."""
        return np.array(frames[frame, *self.pixels])


@dataclass(frozen=True)
class FrameGeometry:
    """What footage says about its cameras before anything large is read."""

    T_world_cam: np.ndarray  # f64 [F,4,4]; NaN where a pose is not known
    K: np.ndarray  # f32 [3,3]
    size: tuple[int, int]  # height, width


class Footage(Protocol):
    """Frames of one camera along one path, or a single image. One sample is read from it by one thread."""

    frames: FrameGeometry
    references: Sequence[int]  # frames that a sample may be about

    def image(self, frame: int, window: Window) -> np.ndarray:
        """u8 [h,w,3] sRGB. Raises: DataError."""

    def label(self, task: str, frame: int, window: Window) -> Label:
        """Truth in the conventions of ViewBatch.targets. Raises: DataError."""

    def coarse_depth(self, frame: int) -> np.ndarray | None:
        """f32 [N] some of a frame's depths in metres, 0 where unknown; None where this footage has no depth."""


class FootageSource(Protocol):
    """A place that footage is drawn from; as a function of the generator's state alone, so that runs can be resumed."""

    def __len__(self) -> int:
        """How much there is to draw: clips, or frames."""

    def draw(self, rng: np.random.Generator) -> Footage:
        """Raises: DataError."""
