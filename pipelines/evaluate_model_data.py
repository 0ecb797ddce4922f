"""What a model is judged on: recordings with a depth sensor, labelled images, rendered clips, public data sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from pipelines.evaluate_model_normals import sensor_normals
from pipelines.evaluate_model_sets import data_set_frames, named_data_set
from pipelines.evaluate_model_views import PosedImage, nearest
from recordings import open_recording
from streammtl.camera import Camera
from streammtl.data.clip import Clip
from streammtl.data.clip_pool import ClipPool
from streammtl.errors import RecordingError
from streammtl.tasks.spec import IGNORE
from streammtl.views import Frame, SkippedFrame

UNKNOWN_FOCAL = 0.85  # image widths, where a folder of labelled images has no calibration


def is_pool(data: Path) -> bool:
    """Whether a folder holds rendered clips."""
    return data.is_dir() and any(data.rglob("*.npz"))


def sequences(
    data: Path, poses: Path | None, size: tuple[int, int], needs_truth: bool = True
) -> Iterator[list[PosedImage]]:
    """The sequences of frames of `data` at `size` (height, width); a pool has one per clip, a data set one per take.

    Raises: RecordingError, DataError where there is nothing to read, or, with needs_truth, to compare with.
    """
    named = named_data_set(data)
    if named is not None:
        yield from data_set_frames(named, size)
    elif is_pool(data):
        pool = ClipPool(data)
        for index in range(len(pool)):
            yield clip_frames(pool.clip(index), size)
    else:
        yield recorded_frames(data, poses, size, needs_truth)


def recorded_frames(
    folder: Path, poses: Path | None, size: tuple[int, int], needs_truth: bool = True
) -> list[PosedImage]:
    """Frames of a recording with the truth it has: sensor depth, normals from it, labels/*.png."""
    with open_recording(folder, poses=poses) as recording:
        frames = [item for item in recording.frames() if not isinstance(item, SkippedFrame)]
        labels = sorted((folder / "labels").glob("*.png")) if (folder / "labels").is_dir() else []
        if labels and len(labels) != len(frames):
            raise RecordingError(f"{folder} has {len(frames)} images and {len(labels)} label images; expected as many.")
        if needs_truth and not labels and not any(frame.depth_m is not None for frame in frames):
            raise RecordingError(
                f"{folder} has neither depth/ nor labels/: nothing to compare predictions with. --pictures DIR draws "
                "what a model predicts without a truth."
            )
        paths = labels or [None] * len(frames)
        return [_recorded(frame, path, size) for frame, path in zip(frames, paths, strict=True)]


def _recorded(frame: Frame, labels: Path | None, size: tuple[int, int]) -> PosedImage:
    height, width = frame.image.shape[:2]
    focal = UNKNOWN_FOCAL * width
    camera = frame.camera or Camera.pinhole(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
    K = camera.scaled(size[1], size[0]).K
    truth, valid = {}, {}
    if frame.depth_m is not None:
        depth = nearest(frame.depth_m, size)
        truth["depth"], valid["depth"] = depth[None], depth > 0
        truth["normals"], valid["normals"] = sensor_normals(depth, K)
    if labels is not None:
        ids = nearest(cv2.imread(str(labels), cv2.IMREAD_UNCHANGED), size).astype(np.int64)
        truth["semantics"], valid["semantics"] = np.where(ids > 0, ids - 1, IGNORE)[None], ids > 0
    image = cv2.resize(frame.image, size[::-1], interpolation=cv2.INTER_AREA)
    return PosedImage(image, K, frame.T_world_cam, truth, valid)


def clip_frames(clip: Clip, size: tuple[int, int]) -> list[PosedImage]:
    """Frames of a rendered clip with their exact truth."""
    height, width = clip.images.shape[1:3]
    fx, fy, cx, cy = (float(clip.K[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2)))
    K = Camera.pinhole(width, height, fx, fy, cx, cy).scaled(size[1], size[0]).K
    found = []
    for i in range(len(clip.images)):
        depth = nearest(np.asarray(clip.depth_m[i], np.float32), size)
        normals = nearest(np.asarray(clip.normals[i], np.float32), size).transpose(2, 0, 1) / 127
        ids = nearest(np.asarray(clip.labels[i]), size).astype(np.int64)
        marked = cv2.resize(np.asarray(clip.boundaries[i], np.float32), size[::-1], interpolation=cv2.INTER_AREA)
        truth = {
            "depth": depth[None],
            "normals": normals,
            "semantics": np.where(ids > 0, ids - 1, IGNORE)[None],
            "boundaries": (marked > 0.25).astype(np.float32)[None],
        }
        valid = {
            "depth": depth > 0,
            "normals": np.linalg.norm(normals, axis=0) > 0.5,
            "semantics": ids > 0,
            "boundaries": np.ones(size, bool),
        }
        image = cv2.resize(np.asarray(clip.images[i]), size[::-1], interpolation=cv2.INTER_AREA)
        found.append(PosedImage(image, K, np.asarray(clip.T_world_cam[i]), truth, valid))
    return found
