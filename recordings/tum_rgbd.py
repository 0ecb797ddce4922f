"""TUM RGB-D benchmark folders: rgb.txt, depth.txt, groundtruth.txt.

Source: Sturm et al., A Benchmark for the Evaluation of RGB-D SLAM Systems, IROS 2012, and its file format page.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from recordings.image_sequence import FrameFiles, ImageSequence, typical_interval_s
from recordings.selection import Selection
from recordings.trajectory_file import nearest, read_tum
from streammtl.errors import RecordingError

UNITS_PER_METRE = 5000.0
TOLERANCE_S = 0.02  # as in the benchmark's own association


def open_tum_rgbd(folder: Path, selection: Selection) -> ImageSequence:
    """Images with the depth and pose nearest in time, at most 20 ms away. Time stamps are those of the files.

    The folder holds no calibration (it differs between the benchmark's three cameras).
    Raises: RecordingError when a list is malformed or lists nothing.
    """
    timestamps_s, images = read_file_list(folder / "rgb.txt")
    files = [FrameFiles(folder / name, t) for t, name in zip(timestamps_s, images, strict=True)]
    if (folder / "depth.txt").is_file():
        depth_s, depths = read_file_list(folder / "depth.txt")
        for i, at in enumerate(nearest(depth_s, timestamps_s, TOLERANCE_S)):
            if at >= 0:
                files[i] = replace(files[i], depth=folder / depths[at])
    if (folder / "groundtruth.txt").is_file():
        poses_s, T_world_cam = read_tum(folder / "groundtruth.txt")
        for i, at in enumerate(nearest(poses_s, timestamps_s, TOLERANCE_S)):
            if at >= 0:
                files[i] = replace(files[i], T_world_cam=T_world_cam[at])
    recording = ImageSequence(folder.name, "tum", files, selection, depth_units=UNITS_PER_METRE)
    interval_s = typical_interval_s(recording.timestamps_s)
    recording.fps = None if interval_s is None else 1 / interval_s
    return recording


def read_file_list(path: Path) -> tuple[np.ndarray, list[str]]:
    """(timestamps f64 [N] ascending, file names) of a list with lines `timestamp name`. Raises: RecordingError."""
    entries = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            timestamp, name = line.split(maxsplit=1)
            entries.append((float(timestamp), name.strip()))
        except ValueError as error:
            raise RecordingError(f"{path}, line {number} is malformed; expected 'timestamp file name'.") from error
    if not entries:
        raise RecordingError(f"{path} lists no file; expected lines 'timestamp file name'.")
    entries.sort()
    return np.array([timestamp for timestamp, _ in entries]), [name for _, name in entries]
