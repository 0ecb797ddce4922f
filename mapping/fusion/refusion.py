"""A submap fused again from the keyframes that its map keeps."""

from __future__ import annotations

from collections.abc import Iterable

import cv2

from mapping.fusion.choice import Grid, new_grid
from mapping.fusion.observation import DepthObservation
from mapping.fusion.settings import FusionSettings
from mapping.records import KeyframeRecord


def refuse(keyframes: Iterable[KeyframeRecord], settings: FusionSettings) -> Grid:
    """The grid that keyframes of one submap give, in their order; other settings, or corrected poses, give another.

    Keyframes keep depth, confidence, the most probable label and the image: a grid fused from nothing else comes out
    the same, bit by bit. What a keyframe does not keep (further labels, probabilities) counts as
    absent, and a map keeps depth as f16 and images as JPEG.
    """
    grid = new_grid(settings)
    for keyframe in keyframes:
        grid.integrate(observation_of(keyframe))
    return grid


def observation_of(keyframe: KeyframeRecord) -> DepthObservation:
    """What fusion can learn from a kept keyframe. Its image is brought to the size of its depth."""
    h, w = keyframe.depth_m.shape
    image, camera = keyframe.image, keyframe.camera
    if image.shape[:2] != (h, w):
        image, camera = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA), camera.scaled(w, h)
    labels = keyframe.label_ids[..., None] if keyframe.label_ids.any() else None
    return DepthObservation(keyframe.depth_m, image, camera, keyframe.T_submap_cam, keyframe.confidence, labels)
