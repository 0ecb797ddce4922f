"""Folders with a 4x4 matrix in a text file for each frame: ScanNet's pose/, 7-Scenes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recordings.image_files import natural_order
from recordings.pose_table import PoseTable
from streammtl.errors import RecordingError


def matrix_files(folder: Path) -> list[Path]:
    """Text files with a number in their name, in the order of those numbers."""
    return sorted((path for path in folder.glob("*.txt") if re.search(r"\d", path.stem)), key=natural_order)


def read_pose_folder(folder: Path, paths: Sequence[Path]) -> PoseTable:
    """Camera-to-world matrices; the last number in a file's name is the frame's.

    Files that hold infinity or NaN mark frames that were not tracked (ScanNet): they have no pose.
    Raises: RecordingError when a file does not hold 16 numbers, or none holds a pose.
    """
    matrices = np.array([_matrix(path) for path in paths])
    numbers = np.array([int(re.findall(r"\d+", path.stem)[-1]) for path in paths])
    tracked = np.isfinite(matrices).all(axis=(1, 2))
    if not tracked.any():
        raise RecordingError(f"none of the {len(paths)} files of {folder} holds a finite pose; check the folder.")
    lost = int((~tracked).sum())
    table = PoseTable(
        folder, "folder of 4x4 matrices (ScanNet, 7-Scenes)", tuple(path.name for path in paths), matrices[:, :3, 3],
        rotations=matrices[:, :3, :3], numbers=numbers,
        notes=(f"{lost} files hold no finite pose: frames that were not tracked",) if lost else (),
    )  # fmt: skip
    return table.ordered(np.flatnonzero(tracked)[np.argsort(numbers[tracked], kind="stable")])


def _matrix(path: Path) -> np.ndarray:
    try:
        return np.array(path.read_text(errors="replace").split(), dtype=np.float64).reshape(4, 4)
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path} does not hold the 16 numbers of a 4x4 matrix ({error}).") from error
