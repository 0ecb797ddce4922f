"""7-Scenes: Kinect recordings of seven rooms, as Microsoft published them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipelines.data_sets.data_set import DataSet, LabelReaders, Take
from pipelines.data_sets.file_footage import Truth
from pipelines.data_sets.files import read_numbers, read_table
from pipelines.data_sets.labels import depth_truth
from streammtl.camera import Camera
from streammtl.data.footage import FrameGeometry

INVALID = 65535
DEPTH = Camera.pinhole(640, 480, 585.0, 585.0, 320.0, 240.0)  # the data set's page
COLOUR = Camera.pinhole(640, 480, 525.0, 525.0, 320.0, 240.0)
# A Kinect's depth camera to its colour camera (LIRIS calibration, as used by DSAC* and ACE for this data set).
T_COLOUR_DEPTH = np.array(
    [
        [9.9996518012567637e-01, 2.6765126468950343e-03, -7.9041012313000904e-03, -2.5558943178152542e-02],
        [-2.7409311281316700e-03, 9.9996302803027592e-01, -8.1504520778013286e-03, 1.0109636268061706e-04],
        [7.8819942130445332e-03, 8.1718328771890631e-03, 9.9993554558014031e-01, 2.0318321729487039e-03],
        [0, 0, 0, 1],
    ]
)


class SevenScenes(DataSet):
    """Sequences with depth. Depth, and the poses that were found with it, are brought to the colour camera."""

    name = "7-scenes"
    splits = ("train", "test")
    where = (
        "Get the scenes from www.microsoft.com/en-us/research/project/rgb-d-dataset-7-scenes and give the folder that "
        "holds chess/, fire/, ..., each with TrainSplit.txt, TestSplit.txt and seq-01/frame-000000.color.png, "
        ".depth.png (millimetres) and .pose.txt."
    )

    def find(self) -> Iterator[Take]:
        for listing in sorted(self.root.glob(f"*/{self.split.title()}Split.txt")):
            for line in self.listed(str(listing.relative_to(self.root))):
                folder = self.path(listing.parent.name, f"seq-{int(line.removeprefix('sequence')):02}")
                stems = sorted(path.name.split(".")[0] for path in folder.glob("frame-*.color.png"))
                yield Take(f"{listing.parent.name}/{folder.name}", tuple(stems))

    @property
    def labels(self) -> LabelReaders:
        return {"depth": self._depth}

    def cameras(self, take: Take) -> FrameGeometry:
        T_world_depth = np.stack([read_table(self.path(take.key, f"{stem}.pose.txt")) for stem in take.frames])
        T_world_depth[~np.isfinite(T_world_depth).all((1, 2))] = np.nan
        size = self.size(take)
        K = COLOUR.scaled(size[1], size[0]).K.astype(np.float32)
        return FrameGeometry(T_world_depth @ np.linalg.inv(T_COLOUR_DEPTH), K, size)

    def picture(self, take: Take, stem: str) -> Path:
        return self.path(take.key, f"{stem}.color.png")

    def _depth(self, take: Take, stem: str) -> Truth:
        stored = read_numbers(self.path(take.key, f"{stem}.depth.png")).astype(np.float64)
        return depth_truth(registered(np.where(stored == INVALID, 0, stored) / 1000))


def registered(depth_m: np.ndarray) -> np.ndarray:
    """Depth f32 [H,W] of the colour camera from that of the depth camera: points moved over, the nearest one wins."""
    height, width = depth_m.shape
    v, u = np.nonzero(depth_m > 0)
    rays = np.linalg.inv(DEPTH.scaled(width, height).K) @ np.stack((u, v, np.ones(len(u))))
    points = T_COLOUR_DEPTH[:3, :3] @ (rays * depth_m[v, u]) + T_COLOUR_DEPTH[:3, 3:]
    seen = COLOUR.scaled(width, height).K @ points
    column, row = np.rint(seen[:2] / seen[2]).astype(int)
    inside = (seen[2] > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    order = np.argsort(-seen[2][inside], kind="stable")  # the last one written stays
    moved = np.zeros((height, width), np.float32)
    moved[row[inside][order], column[inside][order]] = seen[2][inside][order]
    return moved
