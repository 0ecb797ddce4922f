"""KITTI flow 2015: pairs of street images with flow, and with disparity before and after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipelines.data_sets.data_set import DataSet, LabelReaders, Take, moving_pair
from pipelines.data_sets.file_footage import Truth
from pipelines.data_sets.files import read_channels16, read_lines, read_numbers
from pipelines.data_sets.labels import depth_truth, motion_of_points
from streammtl.camera import Camera
from streammtl.data.footage import FrameGeometry
from streammtl.errors import DataError


class KittiFlow(DataSet):
    """Pairs with depth, optical flow and scene flow of the first image, occluded pixels included."""

    name = "kitti-flow"
    splits = ("train",)
    where = (
        "Get data_scene_flow.zip and data_scene_flow_calib.zip from www.cvlibs.net/datasets/kitti (scene flow 2015), "
        "unpack them in one place and give the folder that holds training/ with image_2, flow_occ, disp_occ_0, "
        "disp_occ_1 and calib_cam_to_cam."
    )

    def find(self) -> Iterator[Take]:
        for path in sorted(self.path("training", "flow_occ").glob("*_10.png")):
            number = path.stem.removesuffix("_10")
            yield Take(number, (f"{number}_10", f"{number}_11"), references=1)

    @property
    def labels(self) -> LabelReaders:
        return {"depth": self._depth, "optical_flow": self._optical_flow, "scene_flow": self._scene_flow}

    def picture(self, take: Take, stem: str) -> Path:
        return self.path("training", "image_2", f"{stem}.png")

    def cameras(self, take: Take) -> FrameGeometry:
        height, width = self.size(take)
        fx, fy, cx, cy, _ = self._calibration(take)
        return moving_pair(Camera.pinhole(width, height, fx, fy, cx, cy))

    def _depth(self, take: Take, stem: str) -> Truth:
        return self._from_disparity(take, "disp_occ_0", stem)

    def _optical_flow(self, take: Take, stem: str) -> Truth:
        """Stored red and green are 64 times the motion plus 2^15; blue is 0 where it is unknown."""
        stored = read_channels16(self.path("training", "flow_occ", f"{stem}.png"))
        return (stored[..., :2].astype(np.float32) - 2**15) / 64, stored[..., 2] > 0

    def _scene_flow(self, take: Take, stem: str) -> Truth:
        """disp_occ_1 holds at a point of the first image the disparity that it has in the second."""
        now, after = self._depth(take, stem), self._from_disparity(take, "disp_occ_1", stem)
        return motion_of_points(now, after, self._optical_flow(take, stem), self.geometry(take).K)

    def _from_disparity(self, take: Take, folder: str, stem: str) -> Truth:
        """Stored disparity is in 1/256 pixel, 0 where it is unknown."""
        stored = read_numbers(self.path("training", folder, f"{stem}.png")).astype(np.float32)
        fx, *_, baseline_m = self._calibration(take)
        return depth_truth(np.where(stored > 0, baseline_m * fx / np.maximum(stored / 256, 1e-6), 0))

    def _calibration(self, take: Take) -> tuple[float, float, float, float, float]:
        """fx, fy, cx, cy of the left colour camera in pixels, and the baseline to the right one in metres."""
        path = self.path("training", "calib_cam_to_cam", f"{take.key}.txt")
        values = dict(line.split(":", 1) for line in read_lines(path) if ":" in line)
        try:
            left, right = (
                np.array(values[name].split(), np.float64).reshape(3, 4) for name in ("P_rect_02", "P_rect_03")
            )
        except (KeyError, ValueError) as error:
            raise DataError(f"{path} lacks P_rect_02 or P_rect_03 ({error}); unpack the calibration again.") from error
        baseline_m = (left[0, 3] - right[0, 3]) / left[0, 0]
        return left[0, 0], left[1, 1], left[0, 2], left[1, 2], baseline_m
