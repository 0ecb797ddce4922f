"""The camera of a recording that came without calibration: from its images, else from what the camera wrote."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import islice

from mapping.slam.calibration import CalibrationEstimate, estimate_camera
from recordings import Recording
from recordings.focal_hint import FocalHint
from streammtl.camera import Camera
from streammtl.errors import CameraError
from streammtl.views import Frame

logger = logging.getLogger(__name__)

CALIBRATION_SECONDS = 20.0
CALIBRATION_IMAGES = 120  # looked at; calibration chooses among them


@dataclass(frozen=True)
class Calibration:
    """A camera, how it is known, and how well."""

    camera: Camera
    how: str
    focal_interval_px: tuple[float, float] | None = None  # 95 %; None where it was given


def calibrate(recording: Recording) -> Calibration:
    """The camera from the recording's first seconds, or from EXIF or QuickTime metadata where these do not tell.

    Raises: CameraError when neither tells: the camera only turns or hardly moves, and its file is silent on the lens.
    """
    logger.warning("The calibration of %s is unknown; estimating it from the images.", recording.name)
    count = round(CALIBRATION_SECONDS * (recording.fps or 30.0))
    frames = islice((f for f in recording.frames() if isinstance(f, Frame)), count)
    step = max(1, min(count, recording.frame_count or count) // CALIBRATION_IMAGES)
    hint = recording.focal_hint
    try:
        images = [frame.image for frame in islice(frames, 0, None, step)]
        estimate = estimate_camera(images, focal_px=None if hint is None else hint.focal_px)
    except CameraError as error:
        if hint is None:
            raise
        low, high = hint.interval_px
        logger.warning(
            "%s Until then the %s is believed: focal length %.0f pixels (%.0f to %.0f), no distortion.",
            error, hint.source, hint.focal_px, low, high,
        )  # fmt: skip
        return Calibration(_plain_camera(recording, hint), f"from the {hint.source}", hint.interval_px)
    logger.warning("%s", estimate.message)
    _compare(estimate, hint)
    return Calibration(estimate.camera, "estimated", estimate.focal_interval_px)


def _plain_camera(recording: Recording, hint: FocalHint) -> Camera:
    width, height = recording.width, recording.height
    return Camera("SIMPLE_PINHOLE", width, height, (hint.focal_px, (width - 1) / 2, (height - 1) / 2))


def _compare(estimate: CalibrationEstimate, hint: FocalHint | None) -> None:
    """A word where images and metadata contradict each other."""
    if hint is None:
        return
    low, high = hint.interval_px
    if not low <= estimate.camera.fx <= high:
        logger.warning(
            "the %s says %.0f to %.0f pixels, which contradicts the images; the images are believed. Were the pictures "
            "cropped?", hint.source, low, high,
        )  # fmt: skip
