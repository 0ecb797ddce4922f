"""COLMAP text models: images.txt with cameras.txt and points3D.txt beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from recordings.calibration import read_camera
from recordings.image_files import natural_order
from recordings.pose_table import Convention, PoseTable
from streammtl.errors import CameraError, RecordingError

COLMAP = Convention("world-to-camera", "OpenCV", "w x y z")


def read_colmap(path: Path) -> PoseTable:
    """Poses of an images.txt, with the calibration and the points that each image sees, as far as they are there.

    Convention: world-to-camera, quaternion w x y z, OpenCV axes; a model has no unit of length.
    Raises: RecordingError when a line is malformed or there is no image.
    Source: COLMAP documentation, "Output format".
    """
    entries = sorted(_images(path), key=lambda entry: natural_order(Path(entry[1])))
    if not entries:
        raise RecordingError(f"COLMAP model {path} lists no image.")
    rows = np.array([values for values, _, _ in entries])
    cameras = path.parent / "cameras.txt"
    points = _points(path.parent / "points3D.txt")
    seen = None if points is None else tuple(_positions(points, ids) for _, _, ids in entries)
    notes: tuple[str, ...] = ()
    try:
        camera = read_camera(cameras) if cameras.is_file() else None
    except CameraError as error:
        camera, notes = None, (str(error),)
    names = tuple(Path(name).stem for _, name, _ in entries)
    return PoseTable(
        path, "COLMAP text", names, rows[:, 4:], quaternions=rows[:, :4], convention=COLMAP, names=names,
        camera=camera, points_xyz=seen, metric=False, notes=notes,
    )  # fmt: skip


def _images(path: Path) -> Iterator[tuple[list[float], str, np.ndarray]]:
    """(qw qx qy qz tx ty tz, file name, ids i64 [n] of the points seen) of each image."""
    lines = [line for line in path.read_text(errors="replace").splitlines() if not line.startswith("#")]
    while lines and not lines[-1].strip() and len(lines) % 2:
        lines.pop()
    for first, second in zip(lines[::2], [*lines[1::2], ""], strict=False):
        columns = first.split(maxsplit=9)
        try:
            values = [float(value) for value in columns[1:8]]
            yield values, columns[9].strip(), np.array(second.split()[2::3], dtype=np.int64)
        except (ValueError, IndexError) as error:
            raise RecordingError(
                f"{path}: {first[:60]!r} is no image; expected IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, and a "
                f"line of points after each."
            ) from error


def _points(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Ascending ids i64 [P] and places f64 [P,3]."""
    if not path.is_file():
        return None
    rows = [line.split(maxsplit=4)[:4] for line in path.open() if line.strip() and not line.startswith("#")]
    if not rows:
        return None
    try:
        ids, xyz = np.array([row[0] for row in rows], np.int64), np.array([row[1:] for row in rows], np.float64)
    except ValueError as error:
        raise RecordingError(f"{path} is malformed ({error}); expected POINT3D_ID X Y Z ... on each line.") from error
    order = np.argsort(ids)
    return ids[order], xyz[order]


def _positions(points: tuple[np.ndarray, np.ndarray], ids: np.ndarray) -> np.ndarray:
    known, xyz = points
    at = np.searchsorted(known, ids).clip(max=len(known) - 1)
    return xyz[at[known[at] == ids]]
