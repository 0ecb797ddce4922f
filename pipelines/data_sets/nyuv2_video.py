"""Frames of the NYUv2 videos with COLMAP poses: views with depth for training on several views."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipelines.data_sets.data_set import DataSet, LabelReaders, Take
from pipelines.data_sets.file_footage import Truth
from pipelines.data_sets.files import read_numbers
from pipelines.data_sets.labels import depth_truth
from recordings.pose_colmap import read_colmap
from recordings.pose_table import PoseTable
from streammtl.data.footage import FrameGeometry
from streammtl.errors import DataError

MM_PER_M = 1000.0
LEAST_POINTS = 50  # with sensor depth, per scene
MOST_SPREAD = 0.1  # of their ratios: median absolute deviation from the median, relative


class NyuVideo(DataSet):
    """Scenes with depth. COLMAP's unit of length is unknown, and planes are metric: each scene is scaled so that its
    points agree with the sensor, or refused.

    Source: cross-view MTL (arXiv 2511.20646), 4.1, which leaves the scale open.
    """

    name = "nyuv2-video"
    where = (
        "Extract synchronised frames of the raw NYUv2 videos (sync.zip of github.com/cleinc/bts holds some), run "
        "COLMAP on each scene (undistorted images, `colmap model_converter --output_type TXT`), and give the folder "
        "that holds train.txt (scenes, none of which has test images) and SCENE/ with rgb_00000.jpg, "
        "sync_depth_00000.png (millimetres, registered to colour) and sparse/cameras.txt, images.txt, points3D.txt."
    )

    def find(self) -> Iterator[Take]:
        for scene in self.listed(f"{self.split}.txt"):
            yield Take(scene, tuple(sorted(path.stem for path in self.path(scene).glob("rgb_*.jpg"))))

    @property
    def labels(self) -> LabelReaders:
        return {"depth": self._depth}

    def cameras(self, take: Take) -> FrameGeometry:
        model = self._model(take.key)
        camera = model.camera
        if camera is None or not camera.is_pinhole or model.points_xyz is None:
            notes = "; ".join(model.notes) or "cameras.txt or points3D.txt is missing, or the camera has distortion"
            raise self._unusable(take.key, notes)
        T_model = model.T_world_cam.copy()
        T_model[:, :3, 3] *= self._metres(take, model)
        T = np.full((len(take.frames), 4, 4), np.nan)
        for name, pose in zip(model.names, T_model, strict=True):
            if name in take.frames:
                T[take.frames.index(name)] = pose
        return FrameGeometry(T, camera.K.astype(np.float32), (camera.height, camera.width))

    def picture(self, take: Take, stem: str) -> Path:
        return self.path(take.key, f"{stem}.jpg")

    def _depth(self, take: Take, stem: str) -> Truth:
        path = self.path(take.key, f"sync_depth_{stem.removeprefix('rgb_')}.png")
        return depth_truth(read_numbers(path).astype(np.float32) / MM_PER_M)

    def _model(self, scene: str) -> PoseTable:
        path = self.path(scene, "sparse", "images.txt")
        try:
            return read_colmap(path)
        except (OSError, ValueError) as error:
            raise self._unusable(scene, str(error)) from error

    def _unusable(self, scene: str, why: str) -> DataError:
        return DataError(f"{self.name}: the COLMAP model in {self.path(scene)} cannot be used: {why}. {self.where}")

    def _metres(self, take: Take, model: PoseTable) -> float:
        """Metres per unit of the model: the median over all points seen of sensor depth by the model's depth."""
        ratios = [
            self._ratios(take, stem, points, T, model.camera.K)
            for stem, points, T in zip(model.names, model.points_xyz, model.T_world_cam, strict=True)
            if stem in take.frames
        ]
        found = np.concatenate([np.zeros(0), *ratios])
        middle = float(np.median(found)) if len(found) else 0.0
        spread = float(np.median(np.abs(found / middle - 1))) if middle > 0 else np.inf
        if len(found) < LEAST_POINTS or spread > MOST_SPREAD:
            raise DataError(
                f"{self.name}: the scale of {take.key} is unknown: {len(found)} points of its COLMAP model have sensor "
                f"depth and their ratios spread by {spread:.0%}; at least {LEAST_POINTS} within {MOST_SPREAD:.0%} are "
                f"needed. Leave the scene out of {self.split}.txt, or run COLMAP on it again."
            )
        return middle

    def _ratios(self, take: Take, stem: str, points: np.ndarray, T_world_cam: np.ndarray, K: np.ndarray) -> np.ndarray:
        depth, known = self._depth(take, stem)
        seen = K @ (T_world_cam[:3, :3].T @ (points - T_world_cam[:3, 3]).T)
        seen = seen[:, seen[2] > 0]
        column, row = np.rint(seen[:2] / seen[2]).astype(int)
        inside = (column >= 0) & (column < depth.shape[1]) & (row >= 0) & (row < depth.shape[0])
        column, row, z = column[inside], row[inside], seen[2][inside]
        return (depth[row, column] / z)[known[row, column]]
