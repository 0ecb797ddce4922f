"""FlyingThings3D, the subset: pairs of rendered images of things that fly about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipelines.data_sets.data_set import DataSet, LabelReaders, Take, moving_pair
from pipelines.data_sets.file_footage import Truth
from pipelines.data_sets.files import read_flo, read_pfm
from pipelines.data_sets.labels import depth_truth, motion_of_points
from streammtl.camera import Camera
from streammtl.data.footage import FrameGeometry

CAMERA = Camera.pinhole(960, 540, 1050.0, 1050.0, 479.5, 269.5)
BASELINE = 1.0  # of the stereo pair, the unit of length: things here have no size in metres
MOST_PX = 500.0  # faster motion is not trusted; StableMTL and CamLiFlow cut there
FARTHEST = 35.0


class FlyingThings(DataSet):
    """Pairs with optical flow, and scene flow in the data set's own unit of length, of the first image."""

    name = "flyingthings3d"
    where = (
        "Get the FlyingThings3D subset (image_clean, flow, disparity, disparity_change) from "
        "lmb.informatik.uni-freiburg.de/resources/datasets/SceneFlowDatasets.en.html, unpack it in one place and give "
        "the folder that holds train/ and val/ with image_clean/left/0000000.png, flow/left/into_future/*.flo, "
        "disparity/left/*.pfm and disparity_change/left/into_future/*.pfm."
    )

    def find(self) -> Iterator[Take]:
        images = self.path(self.split, "image_clean", "left")
        for path in sorted(self.path(self.split, "flow", "left", "into_future").glob("*.flo")):
            number = int(path.stem)
            if (images / f"{number + 1:07}.png").is_file():
                yield Take(f"{self.split}/{path.stem}", (number, number + 1), references=1)

    @property
    def labels(self) -> LabelReaders:
        return {"optical_flow": self._optical_flow, "scene_flow": self._scene_flow}

    def picture(self, take: Take, number: int) -> Path:
        return self._file("image_clean/left", number, ".png")

    def cameras(self, take: Take) -> FrameGeometry:
        height, width = self.size(take)
        return moving_pair(CAMERA.scaled(width, height))

    def _optical_flow(self, take: Take, number: int) -> Truth:
        flow = read_flo(self._file("flow/left/into_future", number, ".flo"))
        return flow, (np.abs(flow) < MOST_PX).all(-1)

    def _scene_flow(self, take: Take, number: int) -> Truth:
        """Disparities are stored as negative numbers, and so is their change."""
        disparity = -read_pfm(self._file("disparity/left", number, ".pfm"))
        change = -read_pfm(self._file("disparity_change/left/into_future", number, ".pfm"))
        flow = self._optical_flow(take, number)
        K = self.geometry(take).K
        now, after = (self._from_disparity(values, K) for values in (disparity, disparity + change))
        return motion_of_points(now, after, flow, K)

    def _from_disparity(self, disparity: np.ndarray, K: np.ndarray) -> Truth:
        depth, known = depth_truth(np.where(disparity > 0, BASELINE * K[0, 0] / np.maximum(disparity, 1e-6), 0))
        return depth, known & (depth < FARTHEST)

    def _file(self, folder: str, number: int, suffix: str) -> Path:
        return self.path(self.split, folder, f"{number:07}{suffix}")
