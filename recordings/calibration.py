"""Calibrations as people write them: four numbers, intrinsics.json, COLMAP's cameras.txt."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from streammtl.camera import CAMERA_MODELS, Camera
from streammtl.errors import CameraError

FORMS = "Give fx,fy,cx,cy in pixels, an intrinsics.json, or COLMAP's cameras.txt."


def parse_intrinsics(text: str | Path, width: int, height: int) -> Camera:
    """The camera of images of width x height pixels, distortion included.

    text: "fx,fy,cx,cy" in pixels, or the path of an intrinsics.json (keys width, height, fx, fy, cx, cy, camera_model,
    distortion) or of a COLMAP cameras.txt with one camera.
    Convention: pixel centres at integers; COLMAP's corner origin is converted.
    Raises: CameraError when it cannot be read or belongs to another image size.
    """
    numbers = str(text).split(",")
    if len(numbers) == 4:
        try:
            return Camera.pinhole(width, height, *(float(number) for number in numbers))
        except ValueError as error:
            raise CameraError(f"intrinsics {str(text)!r} are not four usable numbers ({error}). {FORMS}") from error
    path = Path(text)
    camera = read_camera(path)
    check_size(camera, width, height, str(path))
    return camera


def read_camera(path: Path) -> Camera:
    """The camera of an intrinsics.json or cameras.txt, with the image size stated there. Raises: CameraError."""
    try:
        content = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CameraError(f"intrinsics {path} cannot be read ({error}). {FORMS}") from error
    return _from_json(path, content) if path.suffix.lower() == ".json" else _from_colmap(path, content)


def check_size(camera: Camera, width: int, height: int, source: str) -> None:
    """Raises: CameraError when the camera is not the one of images of width x height."""
    if (camera.width, camera.height) == (width, height):
        return
    remedy = "Use the calibration of this recording."
    if np.isclose(camera.width / width, camera.height / height, rtol=0.01):
        try:
            scaled = camera.scaled(width, height)
            values = ",".join(f"{value:.6g}" for value in (scaled.fx, scaled.fy, scaled.cx, scaled.cy))
            remedy = f"If the images were only resized, {values} fit them."
        except CameraError:
            remedy = "If the images were only resized, rescale the calibration with them."
    raise CameraError(
        f"the calibration {source} is for images of {camera.width}x{camera.height}, "
        f"these are {width}x{height}. {remedy}"
    )


def _from_json(path: Path, content: str) -> Camera:
    try:
        data = json.loads(content)
        width, height = int(data["width"]), int(data["height"])
        focal = (float(data["fx"]), float(data["fy"]))
        centre = (float(data["cx"]), float(data["cy"]))
        model = data.get("camera_model", "PINHOLE")
        distortion = tuple(float(value) for value in data.get("distortion") or ())
    except (ValueError, KeyError, TypeError) as error:
        raise CameraError(
            f"intrinsics {path} are malformed ({type(error).__name__}: {error}); expected a JSON object with width, "
            f"height, fx, fy, cx, cy and, for a distorted lens, camera_model and distortion."
        ) from error
    if model in CAMERA_MODELS and CAMERA_MODELS[model][0] == 3:
        if not np.isclose(*focal, rtol=1e-6):
            raise CameraError(f"intrinsics {path}: {model} has one focal length, got fx {focal[0]} and fy {focal[1]}.")
        focal = focal[:1]
    return Camera(model, width, height, (*focal, *centre, *distortion))


def _from_colmap(path: Path, content: str) -> Camera:
    lines = [line.split() for line in content.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) != 1:
        raise CameraError(f"{path} lists {len(lines)} cameras; one is expected, that of all images. {FORMS}")
    try:
        _, model, width, height, *params = lines[0]
        values = [float(value) for value in params]
        size = (int(width), int(height))
    except ValueError as error:
        raise CameraError(f"{path} is no COLMAP cameras.txt ({error}). {FORMS}") from error
    if model not in CAMERA_MODELS:
        raise CameraError(f"{path}: camera model {model!r} is not supported; use one of {', '.join(CAMERA_MODELS)}.")
    at_centre = CAMERA_MODELS[model][0] - 2
    values[at_centre : at_centre + 2] = [value - 0.5 for value in values[at_centre : at_centre + 2]]
    return Camera(model, *size, tuple(values))
