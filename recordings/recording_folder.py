"""Recording folders in this project's layout; README.md of this room describes it."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from recordings.calibration import check_size, read_camera
from recordings.depth_beside_video import DepthBesideVideo
from recordings.given_poses import ROUNDING_S, PosedRecording
from recordings.image_files import images_in
from recordings.image_sequence import FrameFiles, ImageSequence, typical_interval_s
from recordings.recording import Recording
from recordings.selection import Selection
from recordings.settings import RecordingSettings
from recordings.trajectory_file import nearest, read_tum
from recordings.video_file import VideoFile
from streammtl.errors import CameraError, RecordingError

SENSOR_SHARE = 0.5  # fewer depth images than this share of the frames are samples of a ground truth, not a sensor


def open_recording_folder(folder: Path, selection: Selection, settings: RecordingSettings) -> Recording:
    """Images (or video.mp4) with depth, poses and calibration as far as they are there.

    Raises: RecordingError when images are missing or poses.txt is wrong; CameraError when intrinsics.json is wrong.
    """
    images = images_in(folder / "rgb") if (folder / "rgb").is_dir() else []
    if not images and not (folder / "video.mp4").is_file():
        raise RecordingError(f"recording {folder} has neither images in rgb/ nor a video.mp4; one of them is needed.")
    recording = _images(folder, images, selection, settings) if images else _video(folder, selection, settings)
    recording.kind = "recording"
    recording.name = folder.name
    calibration = folder / "intrinsics.json"
    if calibration.is_file():
        recording.camera = read_camera(calibration)
        check_size(recording.camera, recording.width, recording.height, str(calibration))
    return recording


def _images(folder: Path, images: Sequence[Path], selection: Selection, settings: RecordingSettings) -> ImageSequence:
    timestamps_s, timed = _timestamps(folder, images, settings.nominal_fps)
    depths = _depth_images(folder, [path.stem for path in images])
    files = [FrameFiles(*entry) for entry in zip(images, timestamps_s, depths, strict=True)]
    interval_s = typical_interval_s(timestamps_s) or 1 / settings.nominal_fps
    if (folder / "poses.txt").is_file():
        files = with_nearest_poses(files, folder / "poses.txt", 0.5 * interval_s + ROUNDING_S)
    recording = ImageSequence(folder.name, "recording", files, selection, depth_units=_depth_units(folder))
    recording.fps = 1 / interval_s if timed else None
    return recording


def _video(folder: Path, selection: Selection, settings: RecordingSettings) -> Recording:
    recording: Recording = VideoFile(folder / "video.mp4", selection, settings)
    depths = {int(path.stem): path for path in (folder / "depth").glob("*.png") if path.stem.isdigit()}
    announced = recording.source_frames
    if announced and len(depths) >= SENSOR_SHARE * announced:
        recording = DepthBesideVideo(recording, depths, _depth_units(folder))
    poses = folder / "poses.txt"
    return PosedRecording(recording, poses, settings.nominal_fps) if poses.is_file() else recording


def with_nearest_poses(files: Sequence[FrameFiles], poses: Path, tolerance_s: float) -> list[FrameFiles]:
    """The frames with the pose nearest in time, none beyond the tolerance. Raises: RecordingError when none fits."""
    timestamps_s, T_world_cam = read_tum(poses)
    wanted_s = np.array([entry.timestamp_s for entry in files])
    found = nearest(timestamps_s, wanted_s, tolerance_s)
    if (found < 0).all():
        raise RecordingError(
            f"no pose of {poses} lies within {tolerance_s:.4f} s of any image: images run from {wanted_s[0]:.3f} to "
            f"{wanted_s[-1]:.3f} s, poses from {timestamps_s[0]:.3f} to {timestamps_s[-1]:.3f} s. Use one clock."
        )
    return [
        entry if at < 0 else replace(entry, T_world_cam=T_world_cam[at]) for entry, at in zip(files, found, strict=True)
    ]


def _timestamps(folder: Path, images: Sequence[Path], nominal_fps: float) -> tuple[list[float], bool]:
    """Seconds for each image from frames.csv, by the number in its name; evenly spaced when they are not there."""
    table = folder / "frames.csv"
    spaced = [index / nominal_fps for index in range(len(images))]
    if not table.is_file():
        return spaced, False
    with table.open(newline="") as file:
        rows = {row.get("index"): row.get("timestamp") for row in csv.DictReader(file)}
    texts = [rows.get(path.stem.lstrip("0") or "0") for path in images]
    if not any(texts):
        return spaced, False
    try:
        return [float(text) for text in texts], True
    except (TypeError, ValueError) as error:
        raise RecordingError(
            f"{table} has no time stamp for some images of rgb/; expected columns index,timestamp with a row for each "
            f"image, or no time stamps at all."
        ) from error


def _depth_images(folder: Path, stems: Sequence[str]) -> list[Path | None]:
    paths = [folder / "depth" / f"{stem}.png" for stem in stems]
    present = [path if path.is_file() else None for path in paths]
    enough = sum(path is not None for path in present) >= SENSOR_SHARE * len(stems)
    return present if enough else [None] * len(stems)


def _depth_units(folder: Path) -> float:
    """Units of the depth images per metre: depth_scale of intrinsics.json, else millimetres."""
    path = folder / "intrinsics.json"
    if not path.is_file():
        return 1000.0
    try:
        units = float(json.loads(path.read_text()).get("depth_scale", 1000.0))
    except (ValueError, TypeError, AttributeError) as error:
        raise CameraError(
            f"{path} is malformed ({error}); expected a JSON object, depth_scale being a number."
        ) from error
    if not units > 0:
        raise CameraError(f"{path}: depth_scale is {units}; it is the number of depth units per metre, e.g. 1000.")
    return units
