"""Recognises what a pose file is and reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from recordings.pose_colmap import read_colmap
from recordings.pose_flaws import unusable
from recordings.pose_folder import matrix_files, read_pose_folder
from recordings.pose_json import read_json_poses, read_polycam
from recordings.pose_lines import read_pose_lines
from recordings.pose_table import PoseTable
from streammtl.errors import RecordingError

KINDS = (
    "Known are: TUM and RTAB-Map text, KITTI (12 numbers a line), EuRoC csv, a folder of 4x4 matrices (ScanNet), "
    "nerfstudio's transforms.json, Record3D (.r3d or its metadata), Polycam's raw export, a COLMAP text model."
)


def read_poses(path: Path) -> PoseTable:
    """Poses of any known kind, fit for use: rotations are exact. Raises: RecordingError saying what is wrong."""
    table = load_poses(path)
    trouble = unusable(table)
    if trouble:
        raise RecordingError(f"{trouble} `streammtl check-poses` says more.")
    if table.rotations is None:
        return table
    U, _, Vt = np.linalg.svd(table.rotations)
    return replace(table, rotations=U @ Vt)


def load_poses(path: Path) -> PoseTable:
    """Poses of any known kind as the file has them, right or wrong. Raises: RecordingError when it cannot be read."""
    path = Path(path).expanduser()
    if path.is_dir():
        return _folder(path)
    if path.suffix.lower() in (".json", ".r3d"):
        return read_json_poses(path)
    if path.suffix.lower() == ".bin":
        raise RecordingError(f"{path} is binary; `colmap model_converter --output_type TXT` makes text of a model.")
    return read_colmap(path) if path.name == "images.txt" else read_pose_lines(path)


def _folder(folder: Path) -> PoseTable:
    for inside in (folder, folder / "sparse", folder / "sparse" / "0"):
        if (inside / "images.txt").is_file():
            return read_colmap(inside / "images.txt")
        if (inside / "images.bin").is_file():
            return load_poses(inside / "images.bin")
    for name in ("transforms.json", "metadata.json"):
        if (folder / name).is_file():
            return read_json_poses(folder / name)
    for inside in (folder / "keyframes", folder):
        for name in ("corrected_cameras", "cameras"):
            cameras = list((inside / name).glob("*.json"))
            if cameras:
                return read_polycam(folder, cameras)
    data = folder / "mav0" / "state_groundtruth_estimate0" / "data.csv"
    if data.is_file() or (folder / "data.csv").is_file():
        return read_pose_lines(data if data.is_file() else folder / "data.csv")
    for inside in (folder / "pose", folder):
        matrices = matrix_files(inside)
        if matrices:
            return read_pose_folder(inside, matrices)
    raise RecordingError(f"folder {folder} holds no poses. {KINDS}")
