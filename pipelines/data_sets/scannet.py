"""ScanNet v2, exported: colour, depth, poses, and the filtered labels of all frames."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from pipelines.data_sets.data_set import DataSet, LabelReaders, Take
from pipelines.data_sets.file_footage import Truth
from pipelines.data_sets.files import read_colours, read_numbers, read_rows, read_table
from pipelines.data_sets.labels import depth_truth, mapped_classes
from streammtl.data.footage import FrameGeometry

MM_PER_M = 1000.0


class ScanNet(DataSet):
    """Scenes with depth and NYU-40 semantics, on the pixels of the depth camera.

    Colour and depth cameras share a centre and differ in focal length and size (1296x968, 640x480), so colours and
    labels are resampled to the depth image and nothing measured is.
    """

    name = "scannet"
    where = (
        "Ask for access at github.com/ScanNet/ScanNet, export each .sens with its SensReader (--export_color_images "
        "--export_depth_images --export_poses --export_intrinsics), unpack *_2d-label-filt.zip, and give the folder "
        "that holds scannetv2_train.txt and scannetv2_val.txt (lists of scenes), scannetv2-labels.combined.tsv and "
        "scans/SCENE/ with color/N.jpg, depth/N.png (millimetres), pose/N.txt, intrinsic/intrinsic_color.txt and "
        "intrinsic_depth.txt, label-filt/N.png."
    )

    def find(self) -> Iterator[Take]:
        for scene in self.listed(f"scannetv2_{self.split}.txt"):
            frames = sorted(int(path.stem) for path in self.path("scans", scene, "pose").glob("*.txt"))
            yield Take(scene, tuple(frames))

    @property
    def labels(self) -> LabelReaders:
        return {"depth": self._depth, "semantics": self._semantics}

    def cameras(self, take: Take) -> FrameGeometry:
        """Frames without a pose have infinite numbers in their files."""
        folder = self.path("scans", take.key, "pose")
        T = np.stack([read_table(folder / f"{frame}.txt") for frame in take.frames])
        T[~np.isfinite(T).all((1, 2))] = np.nan
        depth = read_numbers(self._file(take, "depth", take.frames[0], ".png"))
        return FrameGeometry(T, self._intrinsics(take, "depth").astype(np.float32), depth.shape)

    def image(self, take: Take, frame: int) -> np.ndarray:
        colours = read_colours(self._file(take, "color", frame, ".jpg"))
        larger = colours.shape[1] > self.geometry(take).size[1]
        return self._on_depth(take, colours, cv2.INTER_AREA if larger else cv2.INTER_LINEAR)

    def _depth(self, take: Take, frame: int) -> Truth:
        return depth_truth(read_numbers(self._file(take, "depth", frame, ".png")).astype(np.float32) / MM_PER_M)

    def _semantics(self, take: Take, frame: int) -> Truth:
        ids = read_numbers(self._file(take, "label-filt", frame, ".png")).astype(np.uint16)
        return mapped_classes(self._on_depth(take, ids, cv2.INTER_NEAREST).astype(np.int64), self._nyu40)

    def _on_depth(self, take: Take, pixels: np.ndarray, how: int) -> np.ndarray:
        """A picture of the colour camera as the depth camera would see it; 0 where it does not reach."""
        H_colour_depth = self._intrinsics(take, "color") @ np.linalg.inv(self._intrinsics(take, "depth"))
        height, width = self.geometry(take).size
        if how == cv2.INTER_AREA:  # warps do not average: first to about the scale of the depth image
            small = cv2.resize(pixels, (width, round(pixels.shape[0] * width / pixels.shape[1])), interpolation=how)
            sx, sy = small.shape[1] / pixels.shape[1], small.shape[0] / pixels.shape[0]
            shrink = np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]])
            pixels, H_colour_depth, how = small, shrink @ H_colour_depth, cv2.INTER_LINEAR
        return cv2.warpPerspective(pixels, H_colour_depth, (width, height), flags=how | cv2.WARP_INVERSE_MAP)

    def _intrinsics(self, take: Take, camera: str) -> np.ndarray:
        return read_table(self.path("scans", take.key, "intrinsic", f"intrinsic_{camera}.txt"))[:3, :3]

    def _file(self, take: Take, folder: str, frame: int, suffix: str) -> Path:
        return self.path("scans", take.key, folder, f"{frame}{suffix}")

    @cached_property
    def _nyu40(self) -> dict[int, int]:
        """Class index of each id of a label image."""
        rows = read_rows(self.path("scannetv2-labels.combined.tsv"), ("id", "nyu40id"), "\t")
        return {int(raw): int(nyu40) - 1 for raw, nyu40 in rows if 1 <= int(nyu40) <= 40}
