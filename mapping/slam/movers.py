"""Keeps points off things that move by themselves."""

from __future__ import annotations

import cv2
import numpy as np

from mapping.slam.local_map import Tracks
from mapping.slam.tracker import SeeMoving
from streammtl.views import Frame

_MARGIN_PX = 8  # a patch that reaches over the outline would move along


class Movers:
    """Where in the image something moves by itself."""

    def __init__(self, see_moving: SeeMoving | None) -> None:
        self._see = see_moving

    def mask(self, frame: Frame) -> np.ndarray | None:
        """bool [H,W] where no points are to be taken; None where nothing moves."""
        if self._see is None:
            return None
        side = 2 * _MARGIN_PX + 1
        return cv2.dilate(self._see(frame).astype(np.uint8), np.ones((side, side), np.uint8)) > 0

    def release(self, tracks: Tracks, moving: np.ndarray | None) -> None:
        """Stops following the tracks that lie on what moves."""
        if moving is not None:
            column, row = np.rint(tracks.uv).astype(int).T
            tracks.followed &= ~moving[row, column]
