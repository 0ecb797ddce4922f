"""Frames from image files, with depth images and poses beside them where there are any."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recordings.focal_hint import photo_hint
from recordings.image_files import DamagedImageError, read_ahead, read_depth, read_image
from recordings.recording import Recording
from recordings.selection import Selection
from recordings.timestamps import StrictTimestamps
from streammtl.errors import RecordingError
from streammtl.views import Frame, SkippedFrame

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FrameFiles:
    """Where one frame comes from."""

    image: Path
    timestamp_s: float
    depth: Path | None = None
    T_world_cam: np.ndarray | None = None  # f64 [4,4]


class ImageSequence(Recording):
    """A sequence of image files. Every image that is damaged or of another size than the first good one is skipped.

    Depth images that are missing or damaged leave the frame without depth.
    Raises: RecordingError when no image is readable, or depth images have another size than the images.
    """

    def __init__(
        self, name: str, kind: str, files: Sequence[FrameFiles], selection: Selection, *, depth_units: float = 1000.0
    ) -> None:
        super().__init__(name)
        self.kind = kind
        self._selection = selection
        self._depth_units = depth_units
        strict = StrictTimestamps(typical_interval_s([entry.timestamp_s for entry in files]) or 1 / 30)
        self.files = list(files)
        self.image_names = [entry.image.stem for entry in files]
        self.timestamps_s = [strict.next(entry.timestamp_s) for entry in files]
        self.health.repaired_timestamps = strict.repaired
        if files:
            self.time_span_s = (self.timestamps_s[0], self.timestamps_s[-1])
        self.frame_count = selection.count(len(self.files))
        self.height, self.width = self._size_of_first_image()
        self.focal_hint = photo_hint([entry.image for entry in self.files], self.width, self.height)
        self.has_depth = any(entry.depth is not None for entry in self.files)
        self.has_poses = any(entry.T_world_cam is not None for entry in self.files)
        self._check_depth_size()

    def _size_of_first_image(self) -> tuple[int, int]:
        reason = "there is none"
        for entry in self.files:
            try:
                return read_image(entry.image).shape[:2]
            except DamagedImageError as error:
                reason = str(error)
        raise RecordingError(
            f"none of the {len(self.files)} images of {self.name} can be read (the last one: {reason}). Check that "
            f"they were copied completely and open one of them in a viewer."
        )

    def _check_depth_size(self) -> None:
        for entry in self.files:
            if entry.depth is None:
                continue
            try:
                height, width = read_depth(entry.depth, self._depth_units).shape
            except DamagedImageError:
                continue
            if (height, width) != (self.height, self.width):
                raise RecordingError(
                    f"depth images of {self.name} are {width}x{height}, images {self.width}x{self.height}. Depth must "
                    f"be registered to the images, pixel by pixel: resample it, or remove the depth images."
                )
            return

    def frames(self, start: int = 0) -> Iterator[Frame | SkippedFrame]:
        yield from read_ahead(self._read, self._selection.positions(start, len(self.files)))

    def _read(self, index: int) -> Frame | SkippedFrame:
        entry, timestamp_s = self.files[index], self.timestamps_s[index]
        try:
            image = read_image(entry.image)
        except DamagedImageError as error:
            return SkippedFrame(index, timestamp_s, str(error))
        height, width = image.shape[:2]
        if (height, width) != (self.height, self.width):
            reason = f"{entry.image.name} is {width}x{height}, the others are {self.width}x{self.height}"
            return SkippedFrame(index, timestamp_s, reason)
        return Frame(index, timestamp_s, image, None, self._depth(entry), entry.T_world_cam)

    def _depth(self, entry: FrameFiles) -> np.ndarray | None:
        if entry.depth is None:
            return None
        try:
            depth_m = read_depth(entry.depth, self._depth_units)
        except DamagedImageError as error:
            logger.warning("frame without depth: %s", error)
            return None
        if depth_m.shape != (self.height, self.width):
            logger.warning("frame without depth: %s has another size than the image", entry.depth.name)
            return None
        return depth_m


def typical_interval_s(timestamps_s: Sequence[float]) -> float | None:
    """Median distance of neighbouring time stamps in seconds, None for fewer than two."""
    if len(timestamps_s) < 2:
        return None
    interval_s = float(np.median(np.diff(timestamps_s)))
    return interval_s if interval_s > 0 else None
