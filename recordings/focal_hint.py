"""The focal length that a camera wrote beside its pictures: a hint, exact to some percent."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import IFD, Base

logger = logging.getLogger(__name__)

FILM_DIAGONAL_MM = 43.267  # of 36 x 24 mm, which 35 mm equivalents refer to
PHOTO_ERROR = 0.08  # 95 %: equivalents are whole numbers, and lenses distort
VIDEO_ERROR = 0.2  # 95 %: stabilisation crops and stretches by as much as the maker likes
VIDEO_CROP = 1.08  # usual, by stabilisation
PHOTO_SHAPE = 1.25  # diagonal over width of the 4:3 sensor whose full width a video takes
RANGE_MM = (6.0, 600.0)  # of 35 mm equivalents
LOOKED_AT = 12  # photos


@dataclass(frozen=True)
class FocalHint:
    """A focal length in pixels of the images as given, with its 95 % interval."""

    focal_px: float
    interval_px: tuple[float, float]
    source: str  # for people

    @classmethod
    def around(cls, focal_px: float, error: float, source: str) -> FocalHint:
        return cls(focal_px, (focal_px * (1 - error), focal_px * (1 + error)), source)


def photo_hint(paths: Sequence[Path], width: int, height: int) -> FocalHint | None:
    """From the EXIF data of photos; None when there is none, or they were taken with different lenses.

    The 35 mm equivalent goes by the diagonal of the picture; without one, focal length and sensor resolution are used.
    Source: Exif 2.32, tags 0xA405, 0x920A, 0xA20E, 0xA210; CIPA DCG-001 on the equivalent.
    """
    step = max(1, len(paths) // LOOKED_AT)
    found = {_of_long_side(path) for path in paths[::step]}
    if None in found or not found:
        return None
    if max(found) > 1.02 * min(found):
        logger.warning("photos were taken with different focal lengths; their EXIF data is left aside")
        return None
    return FocalHint.around(min(found) * max(width, height), PHOTO_ERROR, "EXIF data of the photos")


def _of_long_side(path: Path) -> float | None:
    """Focal length as a multiple of the longer side of a photo."""
    try:
        with Image.open(path) as photo:
            tags, size = photo.getexif().get_ifd(IFD.Exif), photo.size
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError):
        return None
    equivalent = _number(tags, Base.FocalLengthIn35mmFilm)
    if RANGE_MM[0] <= equivalent <= RANGE_MM[1]:
        return equivalent / FILM_DIAGONAL_MM * hypot(*size) / max(size)
    focal_mm, per_unit = _number(tags, Base.FocalLength), _number(tags, Base.FocalPlaneXResolution)
    unit_mm = {2: 25.4, 3: 10.0, 4: 1.0}.get(int(_number(tags, Base.FocalPlaneResolutionUnit)), 25.4)
    taken_width = _number(tags, Base.ExifImageWidth) or max(size)
    focal = focal_mm * per_unit / unit_mm / taken_width
    return focal if 0.2 < focal < 20 else None


def _number(tags: Mapping[int, object], tag: Base) -> float:
    try:
        return float(tags.get(tag.value, 0))
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0


def video_hint(equivalent_mm: float | None, width: int, height: int) -> FocalHint | None:
    """From the 35 mm equivalent in QuickTime metadata, which is that of a phone's whole sensor, not of the video."""
    if equivalent_mm is None or not RANGE_MM[0] <= equivalent_mm <= RANGE_MM[1]:
        return None
    focal_px = equivalent_mm / FILM_DIAGONAL_MM * PHOTO_SHAPE * VIDEO_CROP * max(width, height)
    return FocalHint.around(focal_px, VIDEO_ERROR, "metadata of the video")
