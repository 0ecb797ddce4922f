"""Poses from phones and nerfstudio: transforms.json, Record3D's metadata, Polycam's keyframes. All have OpenGL axes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recordings.image_files import natural_order
from recordings.pose_table import Convention, PoseTable
from streammtl.camera import Camera
from streammtl.errors import CameraError, RecordingError

OPENGL = Convention(axes="OpenGL")
MOST_BYTES = 200_000_000  # of one JSON document
_MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError)


def read_json_poses(path: Path) -> PoseTable:
    """nerfstudio's transforms.json (also ARKit exports and instant-ngp's), or Record3D's metadata or .r3d archive.

    Convention: camera-to-world with OpenGL axes (x right, y up, z backward); `applied_transform` and `applied_scale`
    are undone. The calibration comes along where all images share it; COLMAP's half pixel is taken off cx and cy.
    Poses of transforms.json belong to the images that it names, Record3D's to the frames in order.
    Raises: RecordingError when the document is neither, or malformed.
    Source: nerfstudio documentation, "Data conventions"; Record3D's own export.
    """
    document = _document(path)
    try:
        if isinstance(document, Mapping) and "frames" in document:
            return _transforms(path, document)
        if isinstance(document, Mapping) and "poses" in document:
            return _record3d(path, document)
    except _MALFORMED as error:
        raise RecordingError(f"poses file {path} is malformed ({type(error).__name__}: {error}).") from error
    raise RecordingError(
        f"poses file {path} has neither `frames` (nerfstudio's transforms.json) nor `poses` (Record3D's metadata)."
    )


def _document(path: Path) -> Any:
    try:
        if path.suffix.lower() == ".r3d":
            with zipfile.ZipFile(path) as archive:
                if archive.getinfo("metadata").file_size > MOST_BYTES:
                    raise RecordingError(f"the metadata of {path} is too large to be poses.")
                return json.loads(archive.read("metadata"))
        return json.loads(path.read_text())
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RecordingError(f"poses file {path} cannot be read as JSON ({error}).") from error


def _transforms(path: Path, document: Mapping[str, Any]) -> PoseTable:
    frames = [frame for frame in document["frames"] if "transform_matrix" in frame]
    if not frames:
        raise RecordingError(f"poses file {path} lists no frame with a transform_matrix.")
    frames.sort(key=lambda frame: natural_order(Path(frame["file_path"])))
    T = np.array([frame["transform_matrix"] for frame in frames], dtype=np.float64)[:, :3]
    applied = np.vstack([np.array(document.get("applied_transform", np.eye(4)[:3]), np.float64)[:3], np.eye(4)[3]])
    T[:, :, 3] /= float(document.get("applied_scale", 1.0))
    T = np.linalg.inv(applied)[:3] @ np.concatenate([T, np.tile(np.eye(4)[3:], (len(T), 1, 1))], axis=1)
    names = tuple(Path(frame["file_path"]).stem for frame in frames)
    cameras = [_transforms_camera({**document, **frame}) for frame in frames]
    shared = cameras[0] if cameras[0] is not None and all(camera == cameras[0] for camera in cameras) else None
    note = () if shared or not any(cameras) else ("images have calibrations of their own, which are left aside",)
    return PoseTable(
        path, "nerfstudio transforms.json", names, T[:, :, 3], rotations=T[:, :, :3], convention=OPENGL, names=names,
        camera=shared, notes=note,
    )  # fmt: skip


def _transforms_camera(values: Mapping[str, Any]) -> Camera | None:
    """The calibration of one image, None when the file does not state it."""
    if "w" not in values or "h" not in values or not ("fl_x" in values or "camera_angle_x" in values):
        return None
    width, height = int(values["w"]), int(values["h"])
    fx = float(values["fl_x"]) if "fl_x" in values else 0.5 * width / np.tan(0.5 * float(values["camera_angle_x"]))
    fy = float(values.get("fl_y", fx))
    cx, cy = float(values.get("cx", width / 2)) - 0.5, float(values.get("cy", height / 2)) - 0.5
    fisheye = values.get("camera_model") == "OPENCV_FISHEYE"
    terms = ("k1", "k2", "k3", "k4") if fisheye else ("k1", "k2", "p1", "p2")
    lens = [float(values.get(name, 0.0)) for name in terms]
    if not fisheye and not any(lens):
        return Camera.pinhole(width, height, fx, fy, cx, cy)
    return Camera("OPENCV_FISHEYE" if fisheye else "OPENCV", width, height, (fx, fy, cx, cy, *lens))


def _record3d(path: Path, document: Mapping[str, Any]) -> PoseTable:
    rows = np.array(document["poses"], dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 7 or not len(rows):
        raise RecordingError(f"poses file {path}: Record3D's poses are rows of qx qy qz qw tx ty tz, got {rows.shape}.")
    camera = None
    if "K" in document and "w" in document and "h" in document:
        K = np.array(document["K"], dtype=np.float64).reshape(3, 3).T  # stored column by column
        size = (int(document["w"]), int(document["h"]))
        camera = Camera.pinhole(*size, K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    places = tuple(f"pose {i}" for i in range(len(rows)))
    return PoseTable(
        path, "Record3D", places, rows[:, 4:], quaternions=rows[:, :4], convention=OPENGL, numbers=np.arange(len(rows)),
        camera=camera, by_position=True,
    )  # fmt: skip


def read_polycam(folder: Path, paths: Sequence[Path]) -> PoseTable:
    """Polycam's raw export: one JSON per keyframe with t_00 ... t_23, camera-to-world, OpenGL axes, and a camera.

    Raises: RecordingError when a file is malformed.
    """
    paths = sorted(paths, key=natural_order)
    T, cameras = [], []
    for path in paths:
        values = _document(path)
        try:
            T.append([[float(values[f"t_{row}{column}"]) for column in range(4)] for row in range(3)])
            size = (int(values["width"]), int(values["height"]))
            cameras.append(Camera.pinhole(*size, *(float(values[name]) for name in ("fx", "fy", "cx", "cy"))))
        except (*_MALFORMED, CameraError) as error:
            raise RecordingError(f"{path} is no Polycam camera ({type(error).__name__}: {error}).") from error
    matrices, names = np.array(T), tuple(path.stem for path in paths)
    same = all(np.allclose(camera.params, cameras[0].params, rtol=0.01) for camera in cameras)
    return PoseTable(
        folder, "Polycam keyframes", names, matrices[:, :, 3], rotations=matrices[:, :, :3], convention=OPENGL,
        names=names, camera=cameras[0] if same else None,
    )  # fmt: skip
