"""Recognises what a source is and opens it."""

from __future__ import annotations

import difflib
import glob
from pathlib import Path

from recordings.calibrated import CalibratedRecording
from recordings.calibration import parse_intrinsics
from recordings.given_poses import PosedRecording
from recordings.image_files import IMAGE_SUFFIXES, images_in, natural_order
from recordings.image_folder import open_images
from recordings.live_source import open_camera, open_stream
from recordings.realtime import RealtimeRecording
from recordings.recording import Recording
from recordings.recording_folder import open_recording_folder
from recordings.selection import Selection
from recordings.settings import RecordingSettings
from recordings.seven_scenes import open_seven_scenes
from recordings.tum_rgbd import open_tum_rgbd
from recordings.video_file import VideoFile
from streammtl.camera import Camera
from streammtl.errors import ConfigError, RecordingError

KINDS = (
    "Known are: a video file, a folder or glob pattern of images, a recording folder (rgb/ or video.mp4, with "
    "poses.txt, depth/, intrinsics.json), a TUM RGB-D folder, a 7-Scenes sequence, a camera number, a stream URL."
)


def open_recording(
    source: str | Path,
    *,
    camera: Camera | str | Path | None = None,
    stride: int = 1,
    max_frames: int | None = None,
    realtime: bool = False,
    poses: Path | None = None,
    poses_unit: float | str = "auto",
    settings: RecordingSettings | None = None,
) -> Recording:
    """Opens a source of frames, whatever it is; close it, or use it in a `with` statement.

    camera: calibration of the source's images, in place of the one it brings, as a camera or as `parse_intrinsics`
    takes it; a distorted lens is straightened.
    stride: every how many frames one is given. max_frames: how many are given at most.
    realtime: play a recorded source at its own pace, dropping frames that come too late.
    poses: a file of any kind that pose_files.py knows, in place of the poses that the source brings.
    poses_unit: metres in a unit of that file, "unknown", or "auto": what its format says.
    Raises: RecordingError when it cannot be read, CameraError when the calibration does not fit, ConfigError for values
    that make no sense.
    """
    settings = settings or RecordingSettings()
    if realtime and poses is None and is_live(source):
        raise ConfigError(f"{source} is live already; realtime is for recorded files.")
    selection = Selection(stride, None if realtime else max_frames)
    recording = recognise(str(source), selection, settings)
    try:
        if poses is not None:
            recording = PosedRecording(recording, Path(poses), settings.nominal_fps, poses_unit)
        if isinstance(camera, str | Path):
            camera = parse_intrinsics(camera, recording.width, recording.height)
        calibration = camera or recording.camera
        if calibration is not None:
            recording = CalibratedRecording(recording, calibration, f"of {recording.name}")
        if realtime:
            recording = RealtimeRecording(recording, Selection(stride, max_frames).max_frames)
    except BaseException:
        recording.close()
        raise
    return recording


def is_live(source: str | Path) -> bool:
    """Whether a source is a camera or a stream, judged by its name."""
    return str(source).isdigit() or ("://" in str(source) and not str(source).startswith("file://"))


def recognise(source: str, selection: Selection, settings: RecordingSettings) -> Recording:
    """The source as the kind it is, with its own calibration if it has one."""
    if source.isdigit():
        return open_camera(int(source), selection, settings)
    if is_live(source):
        return open_stream(source, selection, settings)
    path = Path(source.removeprefix("file://")).expanduser()
    if path.is_dir():
        return recognise_folder(path, selection, settings)
    if path.exists():
        if path.suffix.lower() in IMAGE_SUFFIXES:
            raise RecordingError(f"{path} is a single image; give the folder, or a glob pattern in quotes.")
        return VideoFile(path, selection, settings)
    if glob.has_magic(source):
        found = [Path(name) for name in glob.glob(str(path)) if Path(name).suffix.lower() in IMAGE_SUFFIXES]
        if not found:
            raise RecordingError(f"no image matches {source}; check the pattern (image files end in .jpg, .png, ...).")
        return open_images(source, sorted(found, key=natural_order), selection, settings)
    raise RecordingError(_missing(path))


def recognise_folder(folder: Path, selection: Selection, settings: RecordingSettings) -> Recording:
    """A folder as the kind it is."""
    if (folder / "rgb.txt").is_file():
        return open_tum_rgbd(folder, selection)
    if any(folder.glob("frame-*.color.*")):
        return open_seven_scenes(folder, selection)
    if (folder / "rgb").is_dir() or (folder / "video.mp4").is_file():
        return open_recording_folder(folder, selection, settings)
    images = images_in(folder)
    if images:
        return open_images(folder.name, images, selection, settings)
    names = sorted(path.name for path in folder.iterdir())
    holds = f"it holds {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else "it is empty"
    raise RecordingError(f"folder {folder} is no recording: {holds}. {KINDS}")


def _missing(path: Path) -> str:
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, siblings, 1)
    hint = f" Did you mean {path.parent / close[0]}?" if close else ""
    return f"{path} does not exist.{hint} {KINDS}"
