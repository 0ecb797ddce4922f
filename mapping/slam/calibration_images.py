"""Which images of a recording's beginning a camera can be estimated from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np

MOST_IMAGES = 24
MIN_STEP = 0.04  # motion between neighbours, as a fraction of the longer image side
MAX_STEP = 0.16  # beyond, neighbours share too little for matching
UNKNOWN_STEP = 0.1  # where the motion between two images is too fast to be followed
SMALL_SIDE_PX = 320


@dataclass
class Selection:
    """Images with the length of the way to each, in image sides."""

    step: float
    images: list[np.ndarray] = field(default_factory=list)
    way: list[float] = field(default_factory=list)

    def offer(self, image: np.ndarray, way: float) -> None:
        """Takes the image if it is a step away from the last one."""
        if not self.way or way - self.way[-1] >= self.step:
            self.images.append(image)
            self.way.append(way)

    def thinned(self, step: float) -> Selection:
        """Those of the images that are `step` apart."""
        kept = Selection(step)
        for image, way in zip(self.images, self.way, strict=True):
            kept.offer(image, way)
        return kept


def choose_calibration_images(images: Iterable[np.ndarray], most: int = MOST_IMAGES) -> list[list[np.ndarray]]:
    """One or two selections of at most `most` images u8 [H,W,3] RGB, in the order in which they should be tried.

    The first covers as much of the way as it can, since different view points tell the focal length; its step grows, up
    to a sixth of the image, until the images last. The second takes small steps from the start, for scenes that look
    different from each side. Images are read until both are complete; no more than twice `most` are held at a time.
    """
    wide, dense = Selection(MIN_STEP), Selection(MIN_STEP)
    way, previous = 0.0, None
    for image in images:
        small = small_grey(image)
        way += 0.0 if previous is None else image_motion(previous, small)
        previous = small
        wide.offer(image, way)
        if len(dense.images) < most:
            dense.offer(image, way)
        if len(wide.images) > most:
            if 2 * wide.step > MAX_STEP:
                wide.images.pop()
                break
            wide = wide.thinned(2 * wide.step)
    return [wide.images] if wide.step == dense.step else [wide.images, dense.images]


def small_grey(image: np.ndarray) -> np.ndarray:
    """u8 grey image of 320 pixels on its longer side, of u8 [H,W,3] RGB."""
    scale = SMALL_SIDE_PX / max(image.shape[:2])
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def image_motion(previous: np.ndarray, current: np.ndarray) -> float:
    """Median length of the optical flow of corners, as a fraction of the longer side."""
    corners = cv2.goodFeaturesToTrack(previous, 150, 0.01, 6)
    if corners is None or previous.shape != current.shape:
        return UNKNOWN_STEP
    moved, found, _ = cv2.calcOpticalFlowPyrLK(previous, current, corners, None, winSize=(15, 15), maxLevel=4)
    good = found[:, 0] == 1
    if good.sum() < 10:
        return UNKNOWN_STEP
    return float(np.median(np.linalg.norm((moved - corners)[good].reshape(-1, 2), axis=1))) / SMALL_SIDE_PX
