"""Depth images that lie beside a video, one for each frame number."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from recordings.image_files import DamagedImageError, read_depth
from recordings.recording import Recording, WrappedRecording
from streammtl.views import Frame

logger = logging.getLogger(__name__)


class DepthBesideVideo(WrappedRecording):
    """Frames of a video with the depth image of their number; frames whose depth is missing or unusable have none."""

    def __init__(self, inner: Recording, depths: dict[int, Path], units_per_metre: float) -> None:
        super().__init__(inner)
        self._depths = depths
        self._units_per_metre = units_per_metre
        self.has_depth = True

    def change(self, frame: Frame) -> Frame:
        path = self._depths.get(frame.index)
        if path is None:
            return frame
        try:
            depth_m = read_depth(path, self._units_per_metre)
        except DamagedImageError as error:
            logger.warning("frame without depth: %s", error)
            return frame
        if depth_m.shape != frame.image.shape[:2]:
            logger.warning("frame without depth: %s has another size than the video", path.name)
            return frame
        return replace(frame, depth_m=depth_m)
