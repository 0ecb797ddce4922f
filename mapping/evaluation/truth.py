"""The truth in our recording layout: poses.txt, and mesh.ply or depth to fuse one from."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from mapping.evaluation.surface import Triangles
from mapping.fusion.grid import VoxelGrid
from mapping.fusion.observation import DepthObservation
from mapping.fusion.settings import FusionSettings
from mapping.surface.mesh import extract_mesh
from mapping.surface.raycast import open3d
from streammtl.camera import Camera
from streammtl.errors import RecordingError

TRUTH_VOXEL_M = 0.02
TRUTH_TRUNCATION_M = 0.08
TRUTH_FAR_M = FusionSettings().far_m  # what maps hold by default, the truth must be able to judge
_TOLERANCE_S = 0.010
_FRUSTUM_POSES = 200


@dataclass(frozen=True)
class TruePoses:
    """Poses of a recording, by rising time."""

    times_s: np.ndarray  # f64 [N]
    T_world_cam: np.ndarray  # f64 [N,4,4]
    metric: bool  # metres, not an unknown unit


def read_poses(folder: Path) -> TruePoses:
    """Reads poses.txt in TUM's format. Raises RecordingError when it is missing or damaged."""
    path = folder / "poses.txt"
    if not path.is_file():
        raise RecordingError(
            f"{folder} holds no truth: poses.txt (timestamp tx ty tz qx qy qz qw per line) is missing."
        )
    lines = path.read_text(encoding="utf-8").splitlines()
    try:
        rows = np.array(
            [[float(number) for number in line.split()] for line in lines if line.strip() and not line.startswith("#")]
        )
        times_s, positions, quaternions = rows[:, 0], rows[:, 1:4], rows[:, 4:8]
        T_world_cam = np.tile(np.eye(4), (len(rows), 1, 1))
        T_world_cam[:, :3, :3] = Rotation.from_quat(quaternions).as_matrix()
    except (ValueError, IndexError) as error:
        raise RecordingError(
            f"{path} is not in TUM's format, timestamp tx ty tz qx qy qz qw per line: {error}."
        ) from None
    T_world_cam[:, :3, 3] = positions
    order = np.argsort(times_s, kind="stable")
    units = [line.partition(":")[2].strip() for line in lines if line.startswith("# scale:")]
    return TruePoses(times_s[order], T_world_cam[order], not units or units[0].startswith("met"))


def read_camera(folder: Path) -> tuple[Camera, float]:
    """The pinhole camera of intrinsics.json and the units of a depth image per metre."""
    try:
        values = json.loads((folder / "intrinsics.json").read_text(encoding="utf-8"))
        camera = Camera.pinhole(
            values["width"], values["height"], values["fx"], values["fy"], values["cx"], values["cy"]
        )
        return camera, float(values.get("depth_scale", 1000.0))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(
            f"{folder}/intrinsics.json is missing or damaged: {error}. It needs width, height, fx, fy, cx, cy."
        ) from None


def true_surface(folder: Path, poses: TruePoses) -> tuple[Triangles, str] | None:
    """The true mesh in the world of `poses` and where it is from; None where there is neither mesh.ply nor depth/.

    Without mesh.ply the depth images are fused with the given poses at 2 cm, as far as maps reach by default.
    """
    if (folder / "mesh.ply").is_file():
        return _read_mesh(folder / "mesh.ply"), "mesh.ply"
    if (folder / "depth").is_dir():
        return _fuse_depth(folder, poses), f"depth fused at {TRUTH_VOXEL_M * 100:.0f} cm"
    return None


def _read_mesh(path: Path) -> Triangles:
    mesh = open3d().io.read_triangle_mesh(str(path))
    if not len(mesh.triangles):
        raise RecordingError(f"{path} holds no triangles; the true surface must be a triangle mesh.")
    return Triangles(np.asarray(mesh.vertices), np.asarray(mesh.triangles))


def _fuse_depth(folder: Path, poses: TruePoses) -> Triangles:
    camera, depth_scale = read_camera(folder)
    grid = VoxelGrid(FusionSettings(voxel_size_m=TRUTH_VOXEL_M, truncation_m=TRUTH_TRUNCATION_M, far_m=TRUTH_FAR_M))
    grey = np.full((camera.height, camera.width, 3), 128, dtype=np.uint8)
    for index, time_s in _frame_times(folder):
        nearest = int(np.abs(poses.times_s - time_s).argmin())
        path = folder / "depth" / f"{index:06d}.png"
        if abs(poses.times_s[nearest] - time_s) > _TOLERANCE_S or not path.is_file():
            continue
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if depth is None or depth.shape != (camera.height, camera.width):
            raise RecordingError(f"{path} is not a depth image of {camera.width}x{camera.height}.")
        grid.integrate(
            DepthObservation(depth.astype(np.float32) / depth_scale, grey, camera, poses.T_world_cam[nearest])
        )
    mesh = extract_mesh(grid.blocks(), TRUTH_VOXEL_M)
    return Triangles(mesh.vertices.astype(np.float64), mesh.faces)


def _frame_times(folder: Path) -> list[tuple[int, float]]:
    try:
        with (folder / "frames.csv").open(encoding="utf-8", newline="") as file:
            return [(int(row["index"]), float(row["timestamp"])) for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(
            f"{folder}/frames.csv is missing or damaged: {error}. It needs the columns index, timestamp."
        ) from None


class SeenByCameras:
    """Whether points lie in the view of any true camera. Occlusion is not looked at."""

    def __init__(self, poses: TruePoses, camera: Camera, far_m: float) -> None:
        step = max(1, len(poses.times_s) // _FRUSTUM_POSES)
        self._T_cam_world = np.linalg.inv(poses.T_world_cam[::step])
        self._camera = camera
        self._far_m = far_m

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """bool [N] for points [N,3] in the true world."""
        camera, seen = self._camera, np.zeros(len(points), dtype=bool)
        for T in self._T_cam_world:
            unseen = np.flatnonzero(~seen)
            x, y, z = (points[unseen] @ T[:3, :3].T + T[:3, 3]).T
            depth = np.where(z > 0, z, np.inf)
            u, v = camera.fx * x / depth + camera.cx, camera.fy * y / depth + camera.cy
            in_image = (u >= -0.5) & (u <= camera.width - 0.5) & (v >= -0.5) & (v <= camera.height - 0.5)
            seen[unseen[in_image & (z > 0) & (z <= self._far_m)]] = True
        return seen
