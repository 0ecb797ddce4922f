"""What fusion learns from a keyframe: sensor depth, or a model's, with labels."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from mapping.fusion.observation import DepthObservation
from mapping.slam.view_selection import View
from pipelines.moving import at_rest
from pipelines.stages import Prediction


def observed(
    reference: View, prediction: Prediction | None, T_submap_cam: np.ndarray, depth: str
) -> DepthObservation | None:
    """Sensor depth where there is some, with the model's labels on its grid; else the model's depth on its own.

    What moves by itself, as tracking or the model saw it, has no depth. T_submap_cam f64 [4,4]; `depth` as in the
    settings of a run. None where there is neither.
    """
    whole = _of_everything(reference, prediction, T_submap_cam, depth)
    return whole and at_rest(whole, reference.moving, None if prediction is None else prediction.moving)


def _of_everything(
    reference: View, prediction: Prediction | None, T_submap_cam: np.ndarray, depth: str
) -> DepthObservation | None:
    if reference.depth_m is not None and depth != "predicted":
        size = (reference.camera.width, reference.camera.height)
        sensed = DepthObservation(reference.depth_m, reference.image, reference.camera, T_submap_cam)
        if prediction is None or prediction.label_ids is None:
            return sensed
        return replace(
            sensed,
            label_ids=_enlarged(prediction.label_ids, size),
            label_probabilities=_enlarged(prediction.label_probabilities, size),
        )
    if prediction is None:
        return None
    size = (prediction.camera.width, prediction.camera.height)
    return DepthObservation(
        depth_m=prediction.depth_m,
        image=cv2.resize(reference.image, size, interpolation=cv2.INTER_AREA),
        camera=prediction.camera,
        T_submap_cam=T_submap_cam,
        confidence=prediction.confidence,
        label_ids=prediction.label_ids,
        label_probabilities=prediction.label_probabilities,
    )


def _enlarged(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    enlarged = cv2.resize(array, size, interpolation=cv2.INTER_NEAREST)
    return enlarged if enlarged.ndim == array.ndim else enlarged[..., None]
