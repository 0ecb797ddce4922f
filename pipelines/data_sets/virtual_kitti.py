"""Virtual KITTI 2: five drives rendered in ten weathers and from ten angles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipelines.data_sets.data_set import DataSet, LabelReaders, Take
from pipelines.data_sets.file_footage import Truth
from pipelines.data_sets.files import read_channels16, read_colours, read_numbers, read_table_below
from pipelines.data_sets.labels import depth_truth, normals_of_depth
from streammtl.data.footage import FrameGeometry
from streammtl.tasks.spec import IGNORE

CM_PER_M = 100.0
SKY = 65535  # stored depth of what is infinitely far
SCENE_FLOW_M = 10.0  # stored 0..65535 stands for -10..10 m
VALIDATION = ("Scene20",)  # the data set has no split of its own
# Colours of colors.txt, to the 8 classes that Cityscapes has too; what is not named is not valid.
CLASSES = {
    (100, 60, 100): 0,  # road
    (140, 140, 140): 1,  # building
    (255, 130, 0): 2,  # pole
    (200, 200, 0): 3,  # traffic light
    (255, 255, 0): 4,  # traffic sign
    (0, 199, 0): 5,  # tree
    (90, 240, 0): 5,  # vegetation
    (90, 200, 255): 6,  # sky
    (160, 60, 60): 7,  # truck
    (255, 127, 80): 7,  # car
    (0, 139, 139): 7,  # van
}


class VirtualKitti(DataSet):
    """Drives with depth, semantics, normals, optical flow and scene flow. Normals are those of the exact depth."""

    name = "virtual-kitti-2"
    splits = ("train", "val", "all")
    where = (
        "Get vkitti_2.0.3_rgb.tar, _depth.tar, _classSegmentation.tar, _forwardFlow.tar, _forwardSceneFlow.tar and "
        "_textgt.tar.gz from europe.naverlabs.com (Virtual KITTI 2), unpack them in one place and give the folder that "
        "holds Scene01/clone/frames/rgb/Camera_0/rgb_00000.jpg, ... and Scene01/clone/extrinsic.txt, intrinsic.txt."
    )

    def find(self) -> Iterator[Take]:
        for folder in sorted(self.root.glob("Scene*/*/frames/rgb/Camera_*")):
            held_out = folder.relative_to(self.root).parts[0] in VALIDATION
            if self.split == "all" or held_out == (self.split == "val"):
                numbers = sorted(int(path.stem.removeprefix("rgb_")) for path in folder.glob("rgb_*.jpg"))
                variation = folder.parents[2].relative_to(self.root)
                yield Take(f"{variation}/{folder.name.removeprefix('Camera_')}", tuple(numbers))

    @property
    def labels(self) -> LabelReaders:
        return {
            "depth": self._depth,
            "driving_semantics": self._semantics,
            "normals": self._normals,
            "optical_flow": self._optical_flow,
            "scene_flow": self._scene_flow,
        }

    def picture(self, take: Take, frame: int) -> Path:
        return self._file(take, "rgb", "rgb", frame, ".jpg")

    def cameras(self, take: Take) -> FrameGeometry:
        """Poses are stored world-to-camera, a row per frame and camera."""
        variation, camera = take.key.rsplit("/", 1)
        inside = self._rows(f"{variation}/intrinsic.txt", camera)
        outside = self._rows(f"{variation}/extrinsic.txt", camera)
        fx, fy, cx, cy = inside[take.frames[0]]
        unknown = np.full(16, np.nan)
        T_cam_world = np.stack([outside.get(frame, unknown).reshape(4, 4) for frame in take.frames])
        T = np.full_like(T_cam_world, np.nan)
        posed = np.isfinite(T_cam_world).all((1, 2))
        T[posed] = np.linalg.inv(T_cam_world[posed])
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float32)
        return FrameGeometry(T, K, self.size(take))

    def _depth(self, take: Take, frame: int) -> Truth:
        stored = read_numbers(self._file(take, "depth", "depth", frame))
        return depth_truth(np.where(stored == SKY, 0, stored).astype(np.float32) / CM_PER_M)

    def _normals(self, take: Take, frame: int) -> Truth:
        return normals_of_depth(*self._depth(take, frame), self.geometry(take).K)

    def _semantics(self, take: Take, frame: int) -> Truth:
        colours = read_colours(self._file(take, "classSegmentation", "classgt", frame)).astype(np.int64)
        packed = colours @ np.array([65536, 256, 1])
        classes = np.full(packed.shape, IGNORE, np.int64)
        for (red, green, blue), index in CLASSES.items():
            classes[packed == 65536 * red + 256 * green + blue] = index
        return classes, classes != IGNORE

    def _optical_flow(self, take: Take, frame: int) -> Truth:
        """Stored red and green are motion in x and y by the image's last column and row, -1..1; blue 0: unknown."""
        if frame == take.frames[-1]:
            return self._nothing_follows(take, 2)
        stored = read_channels16(self._file(take, "forwardFlow", "flow", frame))
        height, width = stored.shape[:2]
        share = stored[..., :2].astype(np.float32) * (2 / 65535) - 1
        return share * np.array([width - 1, height - 1], np.float32), stored[..., 2] > 0

    def _scene_flow(self, take: Take, frame: int) -> Truth:
        """Stored red, green, blue are the change of x, y, z in camera axes; nothing is known of the sky."""
        if frame == take.frames[-1]:
            return self._nothing_follows(take, 3)
        stored = read_channels16(self._file(take, "forwardSceneFlow", "sceneFlow", frame))
        return (stored.astype(np.float32) * (2 / 65535) - 1) * SCENE_FLOW_M, self._depth(take, frame)[1]

    def _nothing_follows(self, take: Take, channels: int) -> Truth:
        size = self.geometry(take).size
        return np.zeros((*size, channels), np.float32), np.zeros(size, bool)

    def _rows(self, file: str, camera: str) -> dict[int, np.ndarray]:
        """Numbers of each frame of a camera, after the columns frame and cameraID."""
        rows = read_table_below(self.path(file))
        return {int(row[0]): row[2:] for row in rows if int(row[1]) == int(camera)}

    def _file(self, take: Take, kind: str, name: str, frame: int, suffix: str = ".png") -> Path:
        variation, camera = take.key.rsplit("/", 1)
        return self.path(variation, "frames", kind, f"Camera_{camera}", f"{name}_{frame:05}{suffix}")
