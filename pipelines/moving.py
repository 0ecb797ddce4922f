"""Keeps classes that move by themselves, people above all, out of tracking and out of the map."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from mapping.fusion.observation import DepthObservation
from mapping.slam.view_selection import View, ViewTuple
from pipelines.view_batches import view_batch
from streammtl.errors import ConfigError
from streammtl.labels import label_space
from streammtl.models.registry import build_model
from streammtl.models.settings import ModelSettings
from streammtl.views import Frame, ScaleStatus

MARGIN = 2  # pixels that outlines of predicted labels are widened by: depth is mixed there


def class_ids(space: str | None, classes: tuple[str, ...]) -> np.ndarray:
    """i64 ids in a label space of those of the classes that it has; none without a label space."""
    names = label_space(space) if space is not None else None
    return np.array([names.id_of(name) for name in classes if names is not None and name in names.names], np.int64)


def moving_pixels(label_ids: np.ndarray, ids: np.ndarray) -> np.ndarray | None:
    """bool [h,w] pixels whose most probable label, u8 [h,w], is one of `ids`, with a margin; None where none is."""
    found = np.isin(label_ids, ids)
    if not found.any():
        return None
    side = 2 * MARGIN + 1
    return cv2.dilate(found.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def at_rest(observation: DepthObservation, *moving: np.ndarray | None) -> DepthObservation:
    """The observation without depth where one of the masks, bool of any size over the same image, says `moving`."""
    height, width = observation.depth_m.shape
    for mask in moving:
        if mask is not None and mask.any():
            gone = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
            observation = replace(observation, depth_m=np.where(gone, np.float32(0), observation.depth_m))
    return observation


class MovingClasses:
    """Asks a model where a frame shows one of the classes.

    Raises: ConfigError for a model that labels none of them.
    """

    def __init__(self, settings: ModelSettings, classes: tuple[str, ...]) -> None:
        self._settings = settings
        self._model = build_model(settings)
        self._ids = class_ids(self._model.label_space, classes)
        if not len(self._ids):
            raise ConfigError(
                f"run.mask_tracking is on, but model {settings.name} labels none of {', '.join(classes) or 'none'}; "
                "choose a model with labels, such as cvm-lite, or classes that it knows in run.moving_classes."
            )

    def __call__(self, frame: Frame) -> np.ndarray:
        """bool [H,W] of the frame."""
        view = View(frame.index, frame.timestamp_s, frame.image, frame.camera, np.eye(4))
        width, height = self._settings.width, self._settings.height
        alone = ViewTuple(view, [], 0, ScaleStatus.UP_TO_SCALE)
        batch = view_batch(alone, width, height, self._settings, single_view=True)
        semantics = self._model.predict(batch).values["semantics"][0]
        moving = moving_pixels((semantics.argmax(dim=0) + 1).cpu().numpy(), self._ids)
        size = frame.image.shape[1::-1]
        if moving is None:
            return np.zeros(size[::-1], bool)
        return cv2.resize(moving.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
