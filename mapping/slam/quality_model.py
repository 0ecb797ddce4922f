"""Poses and points that the offline mode found, and the COLMAP text model that carries them to the pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from mapping.slam.rigid import inverse
from streammtl.camera import CAMERA_MODELS, Camera

SIGNATURE = "# Poses by streammtl map --quality; every posed frame, points of the keyframes"


@dataclass
class SeenPoints:
    """Points of the model in one image."""

    uv: np.ndarray  # f64 [n,2] image pixels, integer centres
    ids: np.ndarray  # i64 [n] rows of the model's points


@dataclass
class QualityModel:
    """What bundle adjustment over the whole recording says. Lengths are right up to one factor."""

    camera: Camera
    points_xyz: np.ndarray  # f64 [P,3]
    T_world_cam: dict[int, np.ndarray] = field(default_factory=dict)  # frame index -> f64 [4,4]
    seen: dict[int, SeenPoints] = field(default_factory=dict)
    keyframes: int = 0  # images that took part
    registered: int = 0  # of them
    error_px: float = np.nan  # mean reprojection error
    method: str = ""  # which mapper

    def write(self, folder: Path, names: dict[int, str]) -> None:
        """cameras.txt, images.txt and points3D.txt; names: the image file, or position, of each frame.

        Convention: world-to-camera, quaternion w x y z; pixels from the corner of the first one.
        """
        folder.mkdir(parents=True, exist_ok=True)
        camera = self.camera
        params = list(camera.params)
        at_centre = CAMERA_MODELS[camera.model][0] - 2
        params[at_centre : at_centre + 2] = [value + 0.5 for value in params[at_centre : at_centre + 2]]
        line = " ".join([camera.model, str(camera.width), str(camera.height), *map(repr, map(float, params))])
        (folder / "cameras.txt").write_text(f"{SIGNATURE}\n1 {line}\n")
        with (folder / "points3D.txt").open("w") as file:
            file.write(f"{SIGNATURE}\n")
            file.writelines(f"{i} {x!r} {y!r} {z!r} 128 128 128 0\n" for i, (x, y, z) in enumerate(self._points()))
        with (folder / "images.txt").open("w") as file:
            file.write(f"{SIGNATURE}\n")
            file.writelines(self._image_lines(index, names[index]) for index in sorted(self.T_world_cam))

    def _points(self) -> list[list[float]]:
        return self.points_xyz.tolist()

    def _image_lines(self, index: int, name: str) -> str:
        T_cam_world = inverse(self.T_world_cam[index])
        x, y, z, w = Rotation.from_matrix(T_cam_world[:3, :3]).as_quat(canonical=True).tolist()
        pose = " ".join(map(repr, (w, x, y, z, *T_cam_world[:3, 3].tolist())))
        seen = self.seen[index]
        uv = (seen.uv + 0.5).tolist()
        points = " ".join(f"{u:.3f} {v:.3f} {i}" for (u, v), i in zip(uv, seen.ids.tolist(), strict=True))
        return f"{index + 1} {pose} 1 {name}\n{points}\n"
