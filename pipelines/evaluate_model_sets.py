"""Public data sets as `streammtl evaluate-model` judges them: `--data NAME:SPLIT:FOLDER`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

import pipelines.data_sets  # noqa: F401  it registers them
from pipelines.data_sets.data_set import DataSet
from pipelines.data_sets.file_footage import FileFootage
from pipelines.evaluate_model_views import PosedImage, nearest
from streammtl.camera import Camera
from streammtl.data.footage import Window
from streammtl.data.sets.registry import data_set_names, open_source
from streammtl.data.sets.settings import DataSetSettings

JUDGED = ("depth", "semantics", "normals", "boundaries")


def named_data_set(data: Path) -> DataSetSettings | None:
    """What `NAME:SPLIT:FOLDER` or `NAME:FOLDER` names; None for a plain path."""
    name, *rest = str(data).split(":")
    if name not in data_set_names() or not rest:
        return None
    split = rest[0] if len(rest) > 1 else "val"
    return DataSetSettings(name=name, split=split, root=Path(":".join(rest[1:] or rest)))


def data_set_frames(settings: DataSetSettings, size: tuple[int, int]) -> Iterator[list[PosedImage]]:
    """The frames with truth of each take at `size` (height, width). Raises: ConfigError, DataError."""
    data_set = open_source((settings,))
    for number in range(len(data_set.takes)):
        footage = data_set.footage(number)
        yield [_frame(data_set, footage, frame, size) for frame in footage.references]


def _frame(data_set: DataSet, footage: FileFootage, frame: int, size: tuple[int, int]) -> PosedImage:
    """Labels are those whose pixels are nearest. A single image has no pose to speak of."""
    height, width = footage.frames.size
    whole, K = Window(0, 0, height, width), footage.frames.K.astype(np.float64)
    camera = Camera.pinhole(width, height, K[0, 0], K[1, 1], K[0, 2], K[1, 2]).scaled(size[1], size[0])
    truth, valid = {}, {}
    for task in set(JUDGED) & set(data_set.tasks):
        values, known = footage.label(task, frame, whole)
        truth[task] = nearest(values.permute(1, 2, 0).numpy(), size).transpose(2, 0, 1)
        valid[task] = nearest(known.numpy(), size)
    alone = len(footage.frames.T_world_cam) == 1
    return PosedImage(
        cv2.resize(footage.image(frame, whole), size[::-1], interpolation=cv2.INTER_AREA),
        camera.K,
        None if alone else footage.frames.T_world_cam[frame],
        truth,
        valid,
    )
