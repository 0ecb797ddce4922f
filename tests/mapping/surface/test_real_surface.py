import json

import cv2
import numpy as np
import pytest

from mapping.fusion.grid import VoxelGrid
from mapping.fusion.observation import DepthObservation
from mapping.fusion.precision import from_stored, to_stored
from mapping.fusion.settings import FusionSettings
from mapping.surface.mesh import Mesh, extract_mesh, sample_surface
from mapping.surface.raycast import open3d
from streammtl.camera import Camera


@pytest.fixture
def kitchen(recordings_data) -> list[DepthObservation]:
    """Every 20th frame of a handheld Kinect recording, with given poses."""
    folder = recordings_data("kitchen_7scenes_seq01")
    k = json.loads((folder / "intrinsics.json").read_text())
    camera = Camera.pinhole(k["width"], k["height"], k["fx"], k["fy"], k["cx"], k["cy"])
    observations = []
    for i in range(0, 400, 20):
        x, y, z, *q = np.loadtxt(folder / "poses.txt")[i, 1:]
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = from_quaternion(np.array(q)), (x, y, z)
        depth = cv2.imread(str(folder / f"depth/{i:06d}.png"), cv2.IMREAD_UNCHANGED) / k["depth_scale"]
        image = np.ascontiguousarray(cv2.imread(str(folder / f"rgb/{i:06d}.jpg"))[..., ::-1])
        observations.append(DepthObservation(depth.astype(np.float32), image, camera, T))
    return observations


def from_quaternion(xyzw: np.ndarray) -> np.ndarray:
    x, y, z, w = xyzw / np.linalg.norm(xyzw)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def open3d_surface(observations: list[DepthObservation], voxel_size_m: float, far_m: float) -> Mesh:
    core, t = open3d().core, open3d().t.geometry
    types, channels = [core.float32] * 3, [(1,), (1,), (3,)]
    grid = t.VoxelBlockGrid(["tsdf", "weight", "color"], types, channels, voxel_size_m, 8, 8000)
    for o in observations:
        K, T = core.Tensor(o.camera.K), core.Tensor(np.linalg.inv(o.T_submap_cam))
        depth, colour = t.Image(o.depth_m), t.Image(o.image.astype(np.float32))
        blocks = grid.compute_unique_block_coordinates(depth, K, T, 1.0, far_m, 4.0)
        grid.integrate(blocks, depth, colour, K, K, T, 1.0, far_m, 4.0)
    mesh = grid.extract_triangle_mesh(weight_threshold=0.5)
    vertices, faces = mesh.vertex.positions.numpy(), mesh.triangle.indices.numpy().astype(np.int32)
    nothing = np.zeros(vertices.shape, np.uint8)
    return Mesh(vertices, faces, nothing.astype(np.float32), nothing, nothing[:, 0])


def share_within(points: np.ndarray, mesh: Mesh, far: float) -> float:
    core, scene = open3d().core, open3d().t.geometry.RaycastingScene()
    scene.add_triangles(core.Tensor(np.ascontiguousarray(mesh.vertices)), core.Tensor(mesh.faces.astype(np.uint32)))
    return float((scene.compute_distance(core.Tensor(points.astype(np.float32))).numpy() < far).mean())


def test_a_real_surface_agrees_with_that_of_open3d(kitchen):
    settings = FusionSettings()
    grid = VoxelGrid(settings)
    for observation in kitchen:
        assert grid.integrate(observation) > 100
    ours = extract_mesh(grid.blocks(), settings.voxel_size_m, 0.01)
    theirs = open3d_surface(kitchen, settings.voxel_size_m, settings.far_m)
    precision = share_within(sample_surface(ours, 50_000, 0), theirs, settings.voxel_size_m)
    recall = share_within(sample_surface(theirs, 50_000, 0), ours, settings.voxel_size_m)
    assert 2 * precision * recall / (precision + recall) > 0.95


def test_a_real_map_stored_and_taken_up_again_goes_on_identically(kitchen):

    settings = FusionSettings(voxel_size_m=0.04, truncation_m=0.16)
    uninterrupted = VoxelGrid(settings)
    for observation in kitchen[:5]:
        uninterrupted.integrate(observation)
    uninterrupted.round_to_stored()
    resumed = VoxelGrid.from_blocks(settings, from_stored(to_stored(uninterrupted.blocks())))
    for observation in kitchen[5:8]:
        assert uninterrupted.integrate(observation) == resumed.integrate(observation)
    a, b = uninterrupted.blocks(), resumed.blocks()
    for name, array in vars(a).items():
        np.testing.assert_array_equal(array, getattr(b, name), err_msg=name)
