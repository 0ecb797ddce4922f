"""Microsoft 7-Scenes sequences: frame-XXXXXX.color.png, .depth.png, .pose.txt."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from recordings.image_sequence import FrameFiles, ImageSequence
from recordings.selection import Selection

logger = logging.getLogger(__name__)

FPS = 30.0


def open_seven_scenes(folder: Path, selection: Selection) -> ImageSequence:
    """A sequence with depth in millimetres (65535 invalid) and camera-to-world poses, at the Kinect's 30 frames/s.

    The raw depth images of this data set are not registered to the colour images: the depth camera has another focal
    length (585 pixels, against about 525) and sits about 2 cm aside. Fused as they are, colours and depth do not meet;
    resample the depth into the colour camera first, or take the colour images alone.
    The folder holds no calibration. Frames whose pose file is missing or not a pose have none.
    Source: Shotton et al., Scene Coordinate Regression Forests, CVPR 2013.
    """
    files = []
    for image in sorted(folder.glob("frame-*.color.*")):
        stem = image.name.split(".")[0]
        depth = folder / f"{stem}.depth.png"
        number = int(stem.removeprefix("frame-"))
        T_world_cam = read_pose(folder / f"{stem}.pose.txt")
        files.append(FrameFiles(image, number / FPS, depth if depth.is_file() else None, T_world_cam))
    recording = ImageSequence(folder.name, "7scenes", files, selection)
    recording.fps = FPS
    return recording


def read_pose(path: Path) -> np.ndarray | None:
    """T_world_cam f64 [4,4] of a pose file, None when it is missing or does not hold a rigid motion."""
    if not path.is_file():
        return None
    try:
        T = np.array(path.read_text().split(), dtype=np.float64).reshape(4, 4)
    except ValueError:
        logger.warning("%s is not a 4x4 matrix; the frame has no pose", path.name)
        return None
    rigid = np.isfinite(T).all() and np.abs(T[:3, :3] @ T[:3, :3].T - np.eye(3)).max() < 0.01
    if not rigid:
        logger.warning("%s is not a rigid motion; the frame has no pose", path.name)
        return None
    return T
