"""From what a user types to a job: source, calibration, settings, header."""

from __future__ import annotations

import logging
import os
import platform
from dataclasses import dataclass, replace
from pathlib import Path

import streammtl
from mapping.fusion.choice import fusion_device
from mapping.store.header import CameraRecord, LabelSpaceRecord, MapHeader, Provenance
from mapping.store.reader import is_map, open_map
from pipelines.calibrate import Calibration, calibrate
from pipelines.quality_command import is_solved, model_folder, solve
from pipelines.run import Job
from pipelines.settings import Settings, load_settings, settings_from
from recordings import Recording, open_recording
from recordings.calibration import parse_intrinsics
from streammtl.camera import Camera
from streammtl.errors import ConfigError, StoreError
from streammtl.labels import label_space
from streammtl.models.registry import model_class

logger = logging.getLogger(__name__)

RECORDING_KNOWS = "given with the recording"


@dataclass
class Request:
    """What to map, as typed."""

    source: str
    out: Path
    config: Path | None = None
    overrides: tuple[str, ...] = ()
    intrinsics: str | None = None
    poses: Path | None = None
    depth: str | None = None
    max_frames: int | None = None
    stride: int = 1
    resume: bool = False
    live: bool = False
    quality: bool = False  # poses by bundle adjustment over the whole recording, before anything else


def prepare(request: Request) -> Job:
    """Opens the source, finds the calibration, checks the settings; nothing is written yet.

    Raises: ConfigError, RecordingError, CameraError, StoreError.
    """
    resumed = request.resume and is_map(request.out)
    if request.out.exists() and not request.resume and any(_entries(request.out)):
        raise StoreError(f"{request.out} exists already. Choose another --out, or continue that map with --resume.")
    request, offline = _with_quality_poses(request)
    settings, known = _resumed_settings(request) if resumed else (_settings(request), None)
    if offline is not None:
        known = _solved(offline, settings, known, request.poses)
    recording = _open(request, settings, known.camera if known else request.intrinsics)
    try:
        _check_sources(settings, recording)
        if known is None:  # neither resumed nor found with the poses
            recording, known = _calibrated(request, settings, recording)
        header = _header(request, settings, recording, known)
        return Job(recording, recording.camera or known.camera, settings, request.out, header, resumed)
    except BaseException:
        recording.close()
        raise


def _with_quality_poses(request: Request) -> tuple[Request, Request | None]:
    """The request with the poses that --quality keeps beside the map, and the one to find them with, None if found."""
    if not request.quality:
        return request, None
    if request.poses is not None or request.live:
        raise ConfigError("--quality finds poses for a recorded source; it goes neither with --poses nor with live.")
    folder = model_folder(request.out)
    found = request.resume and is_solved(folder)
    return replace(request, poses=folder), None if found else request


def _solved(request: Request, settings: Settings, known: Calibration | None, folder: Path) -> Calibration | None:
    """Finds the poses; gives the camera where it was adjusted along with them, else what was known."""
    with _open(request, settings, known.camera if known else request.intrinsics) as recording:
        if recording.camera is not None:
            solve(recording, recording.camera, False, settings.tracker.seed, folder)
            return known
        first = calibrate(recording)
        return Calibration(solve(recording, first.camera, True, settings.tracker.seed, folder), "estimated")


def _entries(path: Path) -> list[Path]:
    return list(path.iterdir()) if path.is_dir() else [path]


def _settings(request: Request) -> Settings:
    overrides = list(request.overrides)
    if request.poses is not None:
        overrides.append("tracker=given")
    if request.depth is not None:
        overrides.append(f"run.depth={request.depth}")
    if request.live:
        overrides.insert(0, "view_selection.delay=0")  # no waiting for later neighbours
    return load_settings(request.config, overrides)


def _resumed_settings(request: Request) -> tuple[Settings, Calibration | None]:
    """A map is continued with the settings and the calibration it was begun with."""
    if request.overrides or request.config or request.intrinsics or request.depth:
        raise ConfigError(
            "--resume continues with the settings stored in the map; leave out --config, --set, --depth and "
            "--intrinsics, or start a new map."
        )
    header = open_map(request.out).header
    record = header.provenance.camera
    if record is None or record.how == RECORDING_KNOWS:  # the recording brings it again
        return settings_from(header.config), None
    return settings_from(header.config), Calibration(record.camera(), record.how, record.focal_interval_px)


def _open(request: Request, settings: Settings, camera: Camera | str | None) -> Recording:
    stated = {"metres": 1.0}.get(settings.scale.given_poses, settings.scale.given_poses)
    return open_recording(
        request.source,
        camera=camera,
        stride=request.stride,
        max_frames=request.max_frames,
        realtime=request.live,
        poses=request.poses,
        poses_unit=settings.scale.factor or stated,
    )


def _check_sources(settings: Settings, recording: Recording) -> None:
    fusion_device(settings.fusion)  # here, not in the midst of a run
    if settings.tracker.name == "given" and not recording.has_poses:
        raise ConfigError(f"tracker=given needs poses, and {recording.name} has none. Give --poses FILE.")
    if settings.run.depth == "sensor" and not recording.has_depth:
        raise ConfigError(f"--depth sensor needs a recording with depth, and {recording.name} has none.")


def _calibrated(request: Request, settings: Settings, recording: Recording) -> tuple[Recording, Calibration]:
    """Given on the command line, else the recording's own, else estimated from its first seconds."""
    if request.intrinsics is not None:
        camera = parse_intrinsics(request.intrinsics, recording.width, recording.height)
        return recording, Calibration(camera, "given")
    if recording.camera is not None:
        return recording, Calibration(recording.camera, RECORDING_KNOWS)
    found = calibrate(recording)
    recording.close()
    return _open(request, settings, found.camera), found


def _header(request: Request, settings: Settings, recording: Recording, calibration: Calibration) -> MapHeader:
    space = model_class(settings.model.name).label_space
    camera = CameraRecord.of(calibration.camera, calibration.how)
    return MapHeader(
        voxel_size_m=settings.fusion.voxel_size_m,
        truncation_m=settings.fusion.truncation_m,
        label_space=None if space is None else _label_record(space),
        config=settings.model_dump(mode="json"),
        provenance=Provenance(
            version=streammtl.__version__,
            source=str(request.source),
            source_kind=recording.kind,
            camera=camera.model_copy(update={"focal_interval_px": calibration.focal_interval_px}),
            hardware={"machine": platform.machine(), "system": platform.system(), "cores": os.cpu_count() or 0},
        ),
    )


def _label_record(name: str) -> LabelSpaceRecord:
    """A label space as the map stores it."""
    space = label_space(name)
    return LabelSpaceRecord(
        name=space.name,
        version=str(space.version),
        ids=space.ids,
        names=space.names,
        palette=space.palette,
        mappings={other: tuple(int(space.mapping_to(other)[i]) for i in space.ids) for other in space.mappings},
    )
