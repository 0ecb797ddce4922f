"""Recognises places in an image: looks first, geometry decides."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mapping.slam import colmap, features
from mapping.slam.places import Features, Place, describe
from streammtl.camera import Camera

_CORNERS = 500
_MAX_DISTANCE = 64  # of the 256 bits of a descriptor
_RATIO = 0.85  # of the best to the second best distance
_MAX_ERROR_PX = 4.0
_MIN_INLIERS = 20
_MIN_AGREEMENT = 0.3  # of the matches
_MIN_CELLS = 5  # of 8 x 6 in which the agreeing points lie


@dataclass
class Recognition:
    """A place seen again."""

    place: Place
    T_place_cam: np.ndarray  # f64 [4,4] lengths in the unit of the place
    features: np.ndarray  # i64 [M] rows of the image's features that agree,
    points: np.ndarray  # i64 [M] and of the place's landmarks that they show


def look(grey: np.ndarray) -> Features:
    """Corners of a grey image u8 [H,W] with their descriptors."""
    return describe(grey, features.detect(grey, _CORNERS, np.zeros((0, 2))))


def recognise(
    uv: np.ndarray, descriptors: np.ndarray, camera: Camera, candidates: list[Place], seed: int
) -> Recognition | None:
    """The candidate that an image shows, or None when none is certain.

    The image is given by ideal pixels f64 [N,2] of a pinhole camera and their descriptors u8 [N,32].
    """
    best = None
    for place in candidates:
        found = _verify(uv, descriptors, camera, place, seed)
        if found is not None and (best is None or len(found.points) > len(best.points)):
            best = found
            if len(best.points) > 3 * _MIN_INLIERS:
                break
    return best


def match(mine: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of descriptors u8 [N,32] and [M,32] that belong together: mutually nearest, and clearly so."""
    none = np.zeros(0, int)
    if len(mine) < 2 or len(theirs) < 2:
        return none, none
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
    forward = matcher.knnMatch(mine, theirs, k=2)
    back = np.array([m.trainIdx for m in matcher.match(theirs, mine)])
    clear = [a for a, b in forward if a.distance < min(_MAX_DISTANCE, _RATIO * b.distance)]
    clear = [m for m in clear if back[m.trainIdx] == m.queryIdx]
    return np.array([m.queryIdx for m in clear], int), np.array([m.trainIdx for m in clear], int)


def _verify(uv: np.ndarray, descriptors: np.ndarray, camera: Camera, place: Place, seed: int) -> Recognition | None:
    rows, points = match(descriptors, place.descriptors)
    if len(rows) < _MIN_INLIERS:
        return None
    xyz = place.xyz[points].astype(np.float64)
    pose = colmap.absolute_pose(uv[rows], xyz, camera, seed, max_error_px=_MAX_ERROR_PX)
    if pose is None or pose.inliers.sum() < max(_MIN_INLIERS, _MIN_AGREEMENT * len(rows)):
        return None
    cells = np.floor(uv[rows[pose.inliers]] / [camera.width / 8, camera.height / 6]).astype(int)
    if len(np.unique(cells, axis=0)) < _MIN_CELLS:
        return None
    return Recognition(place, pose.T_world_cam, rows[pose.inliers], points[pose.inliers])
