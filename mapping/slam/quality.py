"""The offline mode: bundle adjustment over the whole recording in place of tracking."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from mapping.slam.calibration_images import image_motion, small_grey
from mapping.slam.quality_between import pose_frames_between
from mapping.slam.quality_model import QualityModel
from streammtl.camera import Camera
from streammtl.errors import GeometryError
from streammtl.views import Frame, SkippedFrame

logger = logging.getLogger(__name__)

KEYFRAME_STEP = 0.03  # motion between keyframes, as a fraction of the longer image side
MOST_KEYFRAMES = 400
FEW_FRAMES = 80  # all are keyframes

Frames = Callable[[], Iterable[Frame | SkippedFrame]]


def solve_offline(frames: Frames, camera: Camera, refine: bool, seed: int = 0) -> QualityModel:
    """Poses of all frames, as far as they can be found, by structure from motion over keyframes; up to one factor.

    frames: gives the recording from its beginning, each time it is called (three times).
    refine: the camera is a first estimate, to be adjusted.
    Raises: GeometryError when there are too few images, or they do not fit together.
    """
    from mapping.slam.colmap_quality import solve_keyframes  # pycolmap takes a second to import

    indices = choose_keyframes(_images(frames))
    if len(indices) < 3:
        raise GeometryError(
            f"only {len(indices)} of the images differ by enough motion; --quality needs at least 3. Film while moving "
            f"sideways, or map without it."
        )
    chosen = set(indices)
    keyframes = (image for index, image in _images(frames) if index in chosen)
    model = solve_keyframes(keyframes, indices, camera, refine, seed)
    pose_frames_between(model, _images(frames), seed)
    logger.info("%d frames posed, %d keyframes of %d", len(model.T_world_cam), model.registered, model.keyframes)
    return model


def _images(frames: Frames) -> Iterator[tuple[int, np.ndarray]]:
    for frame in frames():
        if isinstance(frame, Frame):
            yield frame.index, frame.image


def choose_keyframes(images: Iterable[tuple[int, np.ndarray]], most: int = MOST_KEYFRAMES) -> list[int]:
    """Indices of frames that are a step of motion apart, of all frames where these are few; at most `most`.

    The step grows until they are not too many.
    """
    ways: list[tuple[int, float]] = []
    previous = None
    for index, image in images:
        small = small_grey(image)
        way = ways[-1][1] if ways else 0.0
        ways.append((index, way + (0.0 if previous is None else image_motion(previous, small))))
        previous = small
    step = 0.0 if len(ways) <= FEW_FRAMES else KEYFRAME_STEP
    chosen = _stepped(ways, step)
    while len(chosen) > most:
        step *= 1.1
        chosen = _stepped(ways, step)
    return chosen


def _stepped(ways: list[tuple[int, float]], step: float) -> list[int]:
    chosen, last = [], -np.inf
    for index, way in ways:
        if way - last >= step:
            chosen.append(index)
            last = way
    return chosen
