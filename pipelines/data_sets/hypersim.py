"""Hypersim: rendered interiors with everything exact, as Apple published them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.linalg import rq

from pipelines.data_sets.data_set import DataSet, LabelReaders, Take
from pipelines.data_sets.file_footage import Truth
from pipelines.data_sets.files import read_hdf5, read_rows
from pipelines.data_sets.intrinsic_images import brightness, tone_mapped, tone_scale
from pipelines.data_sets.labels import depth_truth, normal_truth, shifted_classes
from streammtl.data.footage import FrameGeometry
from streammtl.errors import DataError

OPENCV_OPENGL = np.diag([1.0, -1.0, -1.0])  # camera axes here look along -z, y is up
LEAST_REFLECTANCE = 1 / 255  # of the brightest channel, below which shading cannot be told


class Hypersim(DataSet):
    """Scenes with depth, NYU-40 semantics, normals, albedo and shading.

    What files call depth is the distance to the camera; here it becomes depth along the optical axis. Some scenes were
    rendered with a tilted image plane. That is a pinhole camera too, one that looks elsewhere: its matrix is factored
    into intrinsics and a turn, and poses, depth and normals are those of the turned camera.
    """

    name = "hypersim"
    splits = ("train", "val", "test")
    where = (
        "Get the scenes with dataset_download_images.py of github.com/apple/ml-hypersim and give the folder that holds "
        "analysis/metadata_images_split_scene_v1.csv, analysis/metadata_camera_parameters.csv (from that repository's "
        "evermotion_dataset/analysis and contrib/mikeroberts3000) and scenes/ai_VVV_NNN/ with _detail/ and images/."
    )

    def find(self) -> Iterator[Take]:
        columns = ("scene_name", "camera_name", "frame_id", "included_in_public_release", "split_partition_name")
        rows = read_rows(self.path("analysis", "metadata_images_split_scene_v1.csv"), columns)
        frames: dict[str, list[int]] = {}
        for scene, camera, frame, released, part in rows:
            if released == "True" and part == self.split:
                frames.setdefault(f"{scene}/{camera}", []).append(int(frame))
        return (Take(key, tuple(sorted(found))) for key, found in frames.items())

    @property
    def labels(self) -> LabelReaders:
        return {
            "depth": self._depth,
            "semantics": lambda take, frame: shifted_classes(self._geometry_file(take, frame, "semantic")),
            "normals": self._normals,
            "albedo": self._albedo,
            "shading": self._shading,
        }

    def cameras(self, take: Take) -> FrameGeometry:
        scene, camera = take.key.split("/")
        detail = self.path("scenes", scene, "_detail")
        R_world_gl = read_hdf5(detail / camera / "camera_keyframe_orientations.hdf5")[list(take.frames)]
        positions = read_hdf5(detail / camera / "camera_keyframe_positions.hdf5")[list(take.frames)]
        size = self._geometry_file(take, take.frames[0], "depth_meters").shape
        K, R_turned_cv = turned_pinhole(self._from_uv(scene), size)
        T = np.tile(np.eye(4), (len(take.frames), 1, 1))
        T[:, :3, :3] = R_world_gl @ OPENCV_OPENGL @ R_turned_cv.T
        T[:, :3, 3] = positions * self._metres_per_unit(scene)
        return FrameGeometry(T, K.astype(np.float32), size)

    def image(self, take: Take, frame: int) -> np.ndarray:
        mapped = tone_mapped(self._final_file(take, frame, "color"), self._rendered(take, frame))
        return np.rint(mapped * 255).astype(np.uint8)

    def _depth(self, take: Take, frame: int) -> Truth:
        distance = self._geometry_file(take, frame, "depth_meters").astype(np.float32)
        return depth_truth(distance / np.linalg.norm(self._rays(take), axis=-1))

    def _normals(self, take: Take, frame: int) -> Truth:
        stored = self._geometry_file(take, frame, "normal_cam").astype(np.float32)
        _, R_turned_cv = turned_pinhole(self._from_uv(take.key.split("/")[0]), stored.shape[:2])
        vectors = stored @ (R_turned_cv @ OPENCV_OPENGL).T.astype(np.float32)
        away = (vectors * self._rays(take)).sum(-1, keepdims=True) > 0
        return normal_truth(np.where(away, -vectors, vectors))

    def _albedo(self, take: Take, frame: int) -> Truth:
        """Diffuse reflectance times the image's tone scale, as StableMTL trains on it."""
        rendered, reflectance = self._rendered(take, frame), self._final_file(take, frame, "diffuse_reflectance")
        scale = tone_scale(self._final_file(take, frame, "color"), rendered)
        return np.clip(scale * reflectance, 0, 1), rendered & np.isfinite(reflectance).all(-1)

    def _shading(self, take: Take, frame: int) -> Truth:
        """Brightness of colour by reflectance, cut at 1, as StableMTL trains on it."""
        reflectance = self._final_file(take, frame, "diffuse_reflectance")
        shading = brightness(np.clip(self._final_file(take, frame, "color") / (reflectance + 1e-6), 0, 1))
        known = self._rendered(take, frame) & (reflectance.max(-1) > LEAST_REFLECTANCE)
        return shading, known & np.isfinite(shading)

    def _rendered(self, take: Take, frame: int) -> np.ndarray:
        """bool [H,W] where something is."""
        return self._geometry_file(take, frame, "render_entity_id") != -1

    def _rays(self, take: Take) -> np.ndarray:
        """f32 [H,W,3] rays of all pixels, z being 1."""
        geometry = self.geometry(take)
        v, u = np.indices(geometry.size)
        rays = np.stack((u, v, np.ones_like(u)), -1) @ np.linalg.inv(geometry.K.astype(np.float64)).T
        return rays.astype(np.float32)

    def _geometry_file(self, take: Take, frame: int, kind: str) -> np.ndarray:
        return read_hdf5(self._file(take, frame, "geometry", kind))

    def _final_file(self, take: Take, frame: int, kind: str) -> np.ndarray:
        return read_hdf5(self._file(take, frame, "final", kind)).astype(np.float32)

    def _file(self, take: Take, frame: int, group: str, kind: str) -> Path:
        scene, camera = take.key.split("/")
        return self.path("scenes", scene, "images", f"scene_{camera}_{group}_hdf5", f"frame.{frame:04}.{kind}.hdf5")

    def _metres_per_unit(self, scene: str) -> float:
        path = self.path("scenes", scene, "_detail", "metadata_scene.csv")
        values = dict(read_rows(path, ("parameter_name", "parameter_value")))
        if "meters_per_asset_unit" not in values:
            raise DataError(f"{path} lacks meters_per_asset_unit; fetch the scene again.")
        return float(values["meters_per_asset_unit"])

    def _from_uv(self, scene: str) -> np.ndarray:
        if scene not in self._cameras:
            raise DataError(f"{self.name}: metadata_camera_parameters.csv has no scene {scene}. {self.where}")
        return self._cameras[scene]

    @cached_property
    def _cameras(self) -> dict[str, np.ndarray]:
        """[3,3] of each scene: image positions (u right, v up, both -1..1, 1) to rays in its camera's axes."""
        names = ("scene_name", *(f"M_cam_from_uv_{row}{column}" for row in range(3) for column in range(3)))
        rows = read_rows(self.path("analysis", "metadata_camera_parameters.csv"), names)
        return {scene: np.array(values, np.float64).reshape(3, 3) for scene, *values in rows if all(values)}


def turned_pinhole(M_cam_from_uv: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """K f64 [3,3] and R_turned_cv f64 [3,3] of a camera whose rays are M (u, v, 1) in OpenGL axes.

    A pixel is K R X of a point X in OpenCV axes of the camera as it is stored. Without tilt R is the identity.
    """
    height, width = size
    uv_from_pixel = np.array([[2 / width, 0, 1 / width - 1], [0, -2 / height, 1 - 1 / height], [0, 0, 1]])
    projection = np.linalg.inv(OPENCV_OPENGL @ M_cam_from_uv @ uv_from_pixel)
    K, R = rq(projection * np.sign(np.linalg.det(projection)))
    signs = np.diag(np.sign(np.diag(K)))
    K, R = K @ signs, signs @ R
    return K / K[2, 2], R
