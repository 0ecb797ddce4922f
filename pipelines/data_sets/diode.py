"""DIODE: laser-scanned indoor and outdoor images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipelines.data_sets.data_set import DataSet, LabelReaders, Take, still_cameras
from pipelines.data_sets.file_footage import Truth
from pipelines.data_sets.files import read_array
from pipelines.data_sets.labels import depth_truth, normal_truth
from streammtl.camera import Camera
from streammtl.data.footage import FrameGeometry

OPENCV_STORED = np.array([1, -1, -1], np.float32)  # normals are stored with y up and z to the viewer
# Its intrinsics.txt. Users measured a narrower field of view, 42 degrees instead of 60: points made with it are bent.
FOCAL, CENTRE = 886.81, (512.0, 384.0)


class Diode(DataSet):
    """Single images with depth and normals. Depth is taken to be along the optical axis; the data set does not say."""

    name = "diode"
    where = (
        "Get val.tar.gz and val_normals.tar.gz (train.tar.gz and train_normals.tar.gz) from diode-dataset.org, unpack "
        "them in one place and give the folder that holds val/indoors/ and val/outdoor/ with scene_*/scan_*/*.png, "
        "*_depth.npy, *_depth_mask.npy and *_normal.npy."
    )

    def find(self) -> Iterator[Take]:
        for path in sorted(self.path(self.split).glob("*/scene_*/scan_*/*.png")):
            stem = str(path.relative_to(self.root).with_suffix(""))
            yield Take(stem, (stem,))

    @property
    def labels(self) -> LabelReaders:
        return {"depth": self._depth, "normals": self._normals}

    def picture(self, take: Take, stem: str) -> Path:
        return self.path(f"{stem}.png")

    def cameras(self, take: Take) -> FrameGeometry:
        height, width = self.size(take)
        camera = Camera.pinhole(1024, 768, FOCAL, FOCAL, *CENTRE).scaled(width, height)
        return still_cameras(camera, 1)

    def _depth(self, take: Take, stem: str) -> Truth:
        depth, known = depth_truth(read_array(self.path(f"{stem}_depth.npy")).astype(np.float32).squeeze())
        return depth, known & (read_array(self.path(f"{stem}_depth_mask.npy")).squeeze() > 0)

    def _normals(self, take: Take, stem: str) -> Truth:
        return normal_truth(read_array(self.path(f"{stem}_normal.npy")).astype(np.float32) * OPENCV_STORED)
