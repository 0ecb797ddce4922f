"""Poses of the frames between keyframes: points followed from the keyframes on both sides, then absolute pose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from mapping.slam.colmap import absolute_pose
from mapping.slam.lens import Lens
from mapping.slam.quality_model import QualityModel, SeenPoints
from mapping.slam.rigid import inverse, scaled_motion

LONGEST = 60  # frames that points are followed without a keyframe
MIN_POINTS = 15
MIN_SHARE = 0.4  # of the followed points that must agree on a pose
MAX_RETURN_PX = 1.0  # how far from its start a point may come back to
WINDOW = {"winSize": (17, 17), "maxLevel": 4}


def pose_frames_between(model: QualityModel, frames: Iterable[tuple[int, np.ndarray]], seed: int) -> None:
    """Adds poses, and the points seen, of frames that are no keyframes; frames that show too few points get none.

    frames: (index, u8 [H,W,3] RGB) in order, keyframes included. Memory holds the images of one gap.
    """
    keyframes = dict(model.T_world_cam)
    lens = Lens(model.camera)
    for gap in _gaps(frames, keyframes):
        forward, backward = _follow(model, gap), _follow(model, gap[::-1])
        for index, _ in gap:
            if index not in keyframes:
                _pose(model, lens, index, [seen[index] for seen in (forward, backward) if index in seen], gap, seed)


def _gaps(frames: Iterable[tuple[int, np.ndarray]], keyframes: dict) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Grey frames from one keyframe to the next, both included where they are there."""
    gap: list[tuple[int, np.ndarray]] = []
    for index, image in frames:
        gap.append((index, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)))
        if index in keyframes:
            yield gap
            gap = [gap[-1]]
        elif len(gap) > 2 * LONGEST:  # too long to be bridged: only its two ends count
            del gap[LONGEST]
    yield gap


def _follow(model: QualityModel, gap: list[tuple[int, np.ndarray]]) -> dict[int, SeenPoints]:
    """Points of the keyframe that the gap begins with, by pyramidal Lucas-Kanade there and back, frame by frame."""
    start = model.seen.get(gap[0][0])
    if start is None or not len(start.ids):
        return {}
    found: dict[int, SeenPoints] = {}
    uv, ids, previous = start.uv.astype(np.float32), start.ids, gap[0][1]
    for index, grey in gap[1 : LONGEST + 1]:
        if len(ids) < MIN_POINTS:
            break
        moved, ahead, _ = cv2.calcOpticalFlowPyrLK(previous, grey, uv[:, None], None, **WINDOW)
        back, behind, _ = cv2.calcOpticalFlowPyrLK(grey, previous, moved, None, **WINDOW)
        moved = moved[:, 0]
        good = (ahead[:, 0] > 0) & (behind[:, 0] > 0)
        good &= np.linalg.norm(back[:, 0] - uv, axis=1) < MAX_RETURN_PX
        good &= ((moved >= 0) & (moved <= [grey.shape[1] - 1, grey.shape[0] - 1])).all(axis=1)
        uv, ids, previous = moved[good], ids[good], grey
        found[index] = SeenPoints(uv.astype(np.float64), ids)
    return found


def _pose(model: QualityModel, lens: Lens, index: int, seen: list[SeenPoints], gap: list, seed: int) -> None:
    if not seen:
        return
    uv, ids = np.concatenate([s.uv for s in seen]), np.concatenate([s.ids for s in seen])
    if len(ids) < MIN_POINTS:
        return
    prior = _between(model, gap, index)
    pose = absolute_pose(lens.to_ideal(uv), model.points_xyz[ids], lens.pinhole, seed, prior)
    if pose is None or pose.inliers.sum() < max(MIN_POINTS, MIN_SHARE * len(ids)):
        return
    model.T_world_cam[index] = pose.T_world_cam
    _, once = np.unique(ids[pose.inliers], return_index=True)
    model.seen[index] = SeenPoints(uv[pose.inliers][once], ids[pose.inliers][once])


def _between(model: QualityModel, gap: list[tuple[int, np.ndarray]], index: int) -> np.ndarray | None:
    """The pose if the camera moved evenly between the keyframes on both sides; that of the only one there is."""
    first, last = gap[0][0], gap[-1][0]
    T_first, T_last = model.T_world_cam.get(first), model.T_world_cam.get(last)
    if T_first is None or T_last is None or first == last:
        return T_first if T_first is not None else T_last
    return T_first @ scaled_motion(inverse(T_first) @ T_last, (index - first) / (last - first))
