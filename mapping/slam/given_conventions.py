"""Which reading of given poses the images agree with: epipolar geometry of a few pairs of frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mapping.slam.rigid import inverse, rotation_angle_deg

MIN_TURN_DEG, MAX_TURN_DEG = 6.0, 25.0  # between the frames of a pair; turns tell conventions apart best
LONGEST_PAIR = 45  # frames; by then they have turned, or the camera hardly turns
MOST_PAIRS = 8
FEATURES = 800
MIN_MATCHES = 40
RATIO = 0.8  # of the best to the second best match
OFF_PX = 4.0  # at a width of 640; poses of sensors are off by a few pixels


@dataclass(frozen=True)
class Pair:
    """Matched pixels of two frames, found without any pose."""

    first: int  # rows of the poses
    second: int
    uv_first: np.ndarray  # f64 [M,2], integer centres
    uv_second: np.ndarray


def matched_pairs(images: Iterable[tuple[int, np.ndarray]], T_world_cam: np.ndarray) -> list[Pair]:
    """Up to a dozen pairs of frames that are some 6 to 25 degrees of rotation apart, with their matches.

    images: (row of T_world_cam, u8 [H,W,3] RGB) in order; T_world_cam f64 [N,4,4] in any convention, since none of
    them changes the angle between two poses.
    """
    pairs: list[Pair] = []
    start: tuple[int, np.ndarray] | None = None
    for taken, (row, image) in enumerate(images):
        if start is None:
            start, began = (row, image), taken
            continue
        turned = rotation_angle_deg(T_world_cam[start[0], :3, :3].T @ T_world_cam[row, :3, :3])
        if turned < MIN_TURN_DEG and taken - began < LONGEST_PAIR:
            continue
        if turned < MAX_TURN_DEG:
            matches = match(start[1], image)
            if matches is not None:
                pairs.append(Pair(start[0], row, *matches))
        start = None
        if len(pairs) == MOST_PAIRS:
            break
    return pairs


def match(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Pixels f64 [M,2] of two images u8 [H,W,3] RGB that match, by SIFT and a fundamental matrix; None if few."""
    sift = cv2.SIFT_create(FEATURES)
    found = [sift.detectAndCompute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None) for image in (first, second)]
    if any(len(points) < MIN_MATCHES for points, _ in found):
        return None
    candidates = cv2.BFMatcher(cv2.NORM_L2).knnMatch(found[0][1], found[1][1], k=2)
    good = [best for best, other in candidates if best.distance < RATIO * other.distance]
    if len(good) < MIN_MATCHES:
        return None
    uv0 = np.array([found[0][0][m.queryIdx].pt for m in good], np.float64)
    uv1 = np.array([found[1][0][m.trainIdx].pt for m in good], np.float64)
    cv2.setRNGSeed(0)
    _, inliers = cv2.findFundamentalMat(uv0, uv1, cv2.FM_RANSAC, 1.5, 0.999, 2000)
    kept = np.zeros(len(good), bool) if inliers is None else inliers[:, 0] > 0
    return (uv0[kept], uv1[kept]) if kept.sum() >= MIN_MATCHES else None


def agreement(pairs: Sequence[Pair], T_world_cam: np.ndarray, K: np.ndarray, width: int) -> float:
    """How well poses f64 [N,4,4] explain the matches, 0 to 1: mean over the pairs.

    A match counts by its distance from the epipolar line, 1 / (1 + (d / 4 px)^2) at a width of 640, and only if its
    point lies before both cameras. Lengths do not matter.
    Source: Hartley and Zisserman, Multiple View Geometry, 2nd ed., Eq. 11.9 (Sampson distance), §9.6.3 (depths).
    """
    K_inverse = np.linalg.inv(K)
    shares = []
    for pair in pairs:
        T = inverse(T_world_cam[pair.second]) @ T_world_cam[pair.first]
        x0, x1 = (_homogeneous(uv) @ K_inverse.T for uv in (pair.uv_first, pair.uv_second))
        off_px = _sampson(x0, x1, T) * K[0, 0] * 640 / width
        shares.append(float(np.mean(_in_front(x0, x1, T) / (1 + (off_px / OFF_PX) ** 2))))
    return float(np.mean(shares)) if shares else 0.0


def _homogeneous(uv: np.ndarray) -> np.ndarray:
    return np.concatenate([uv, np.ones((len(uv), 1))], axis=1)


def _sampson(x0: np.ndarray, x1: np.ndarray, T_1_0: np.ndarray) -> np.ndarray:
    """Distance of rays f64 [M,3] from their epipolar lines, in units of the focal length."""
    t = T_1_0[:3, 3] / max(float(np.linalg.norm(T_1_0[:3, 3])), 1e-12)
    E = np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]]) @ T_1_0[:3, :3]
    line1, line0 = x0 @ E.T, x1 @ E
    slope = (line0[:, :2] ** 2).sum(axis=1) + (line1[:, :2] ** 2).sum(axis=1)
    return np.abs((x1 * line1).sum(axis=1)) / np.sqrt(np.maximum(slope, 1e-18))


def _in_front(x0: np.ndarray, x1: np.ndarray, T_1_0: np.ndarray) -> np.ndarray:
    """Whether z1 x1 = R z0 x0 + t has both depths positive, in the sense of least squares, bool [M]."""
    turned, t = x0 @ T_1_0[:3, :3].T, T_1_0[:3, 3]
    aa, bb, ab = (turned**2).sum(1), (x1**2).sum(1), (turned * x1).sum(1)
    at, bt = turned @ t, x1 @ t
    z0, z1 = ab * bt - bb * at, aa * bt - ab * at  # both times the same positive determinant
    return (z0 > 0) & (z1 > 0)
