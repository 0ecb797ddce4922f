"""Cityscapes: street scenes with fine labels, and depth from stereo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipelines.data_sets.data_set import DataSet, LabelReaders, Take, still_cameras
from pipelines.data_sets.file_footage import Truth
from pipelines.data_sets.files import read_json, read_numbers
from pipelines.data_sets.labels import depth_truth, mapped_classes
from streammtl.camera import Camera
from streammtl.data.footage import FrameGeometry
from streammtl.errors import DataError

# Ids of gtFine's labelIds images, to the 19 classes of the benchmark and to the 8 that Virtual KITTI 2 has too.
BENCHMARK = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
CLASSES = {label: index for index, label in enumerate(BENCHMARK)}
DRIVING = {7: 0, 11: 1, 17: 2, 19: 3, 20: 4, 21: 5, 23: 6, 26: 7, 28: 7}


class Cityscapes(DataSet):
    """Single images with semantics and depth, which comes from disparity: baseline times focal length by it."""

    name = "cityscapes"
    where = (
        "Get leftImg8bit_trainvaltest.zip, gtFine_trainvaltest.zip, disparity_trainvaltest.zip and "
        "camera_trainvaltest.zip from www.cityscapes-dataset.com, unpack them in one place and give the folder that "
        "holds leftImg8bit/, gtFine/, disparity/ and camera/."
    )

    def find(self) -> Iterator[Take]:
        for path in sorted(self.path("leftImg8bit", self.split).glob("*/*_leftImg8bit.png")):
            stem = f"{path.parent.name}/{path.name.removesuffix('_leftImg8bit.png')}"
            yield Take(stem, (stem,))

    @property
    def labels(self) -> LabelReaders:
        return {
            "depth": self._depth,
            "cityscapes_semantics": lambda take, stem: mapped_classes(self._ids(stem), CLASSES),
            "driving_semantics": lambda take, stem: mapped_classes(self._ids(stem), DRIVING),
        }

    def picture(self, take: Take, stem: str) -> Path:
        return self.path("leftImg8bit", self.split, f"{stem}_leftImg8bit.png")

    def cameras(self, take: Take) -> FrameGeometry:
        height, width = self.size(take)
        (fx, fy, cx, cy), _ = self._calibration(take.frames[0])
        return still_cameras(Camera.pinhole(width, height, fx, fy, cx, cy), 1)

    def _ids(self, stem: str) -> np.ndarray:
        return read_numbers(self.path("gtFine", self.split, f"{stem}_gtFine_labelIds.png")).astype(np.int64)

    def _depth(self, take: Take, stem: str) -> Truth:
        """Stored disparity p > 0 means (p - 1) / 256 pixels, 0 no measurement."""
        stored = read_numbers(self.path("disparity", self.split, f"{stem}_disparity.png")).astype(np.float32)
        (fx, *_), baseline_m = self._calibration(stem)
        disparity = (stored - 1) / 256
        known = disparity > 0
        return depth_truth(np.where(known, baseline_m * fx / np.where(known, disparity, 1), 0))

    def _calibration(self, stem: str) -> tuple[tuple[float, float, float, float], float]:
        """(fx, fy, cx, cy) in pixels and the baseline in metres."""
        path = self.path("camera", self.split, f"{stem}_camera.json")
        values = read_json(path)
        try:
            inside = values["intrinsic"]
            return (inside["fx"], inside["fy"], inside["u0"], inside["v0"]), values["extrinsic"]["baseline"]
        except (KeyError, TypeError) as error:
            raise DataError(f"{path} lacks {error}; fetch camera_trainvaltest.zip again.") from error
