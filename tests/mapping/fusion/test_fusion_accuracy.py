"""What fusion is worth on scenes whose surface and labels are known in closed form."""

import numpy as np
import pytest

from mapping.fusion.grid import VoxelGrid
from mapping.fusion.settings import FusionSettings
from mapping.surface.mesh import extract_mesh
from tests.mapping.fusion.fusion_scenes import plain_observation, plane_depth, pose, small_camera, sphere_depth

SETTINGS = FusionSettings(voxel_size_m=0.02)
CAMERA = small_camera(160, 120)
NORMAL, OFFSET = np.array([0.0, 0.0, -1.0]), -1.5  # a wall at z = 1.5
CENTRE, RADIUS = np.array([0.05, -0.04, 1.15]), 0.25
FLOOR, FLOOR_OFFSET = np.array([0.0, -1.0, 0.0]), -0.45
POSES = [
    pose((0.5 * np.sin(a), 0.1 * np.cos(2 * a), -0.1 * np.cos(a)), (0.1, 1, 0), -0.3 * np.sin(a))
    for a in np.linspace(0, 2 * np.pi, 12, endpoint=False)
]


def scene(T):
    """Depth f32 [h,w] of a wall, a floor and a sphere, and the label of each pixel: 1, 2, 3; 0 = nothing."""
    depths = np.stack(
        [
            plane_depth(CAMERA, T, NORMAL, OFFSET),
            plane_depth(CAMERA, T, FLOOR, FLOOR_OFFSET),
            sphere_depth(CAMERA, T, CENTRE, RADIUS),
        ]
    )
    depths[depths <= 0] = np.inf
    nearest = depths.min(0)
    labels = np.where(np.isfinite(nearest), depths.argmin(0) + 1, 0).astype(np.uint8)
    return np.where(np.isfinite(nearest), nearest, 0).astype(np.float32), labels


def distances(points):
    """Signed distances f64 [N,3], positive in free space, to wall, floor and sphere."""
    points = points.astype(np.float64)
    return np.stack(
        [points @ NORMAL - OFFSET, points @ FLOOR - FLOOR_OFFSET, np.linalg.norm(points - CENTRE, axis=1) - RADIUS], -1
    )


@pytest.fixture(scope="module")
def noisy_mesh():
    """The scene fused with its true depth, and true labels of which a fifth is replaced by any other in every frame."""
    rng, grid = np.random.default_rng(0), VoxelGrid(SETTINGS)
    for T in POSES:
        depth, labels = scene(T)
        wrong = rng.random(labels.shape) < 0.2
        labels = np.where(wrong, (labels + rng.integers(1, 12, labels.shape) - 1) % 12 + 1, labels)
        ids = np.stack([labels, labels % 12 + 1], -1).astype(np.uint8)
        probabilities = np.tile(np.float32([0.6, 0.2]), (*labels.shape, 1))
        grid.integrate(plain_observation(depth, CAMERA, T, label_ids=ids, label_probabilities=probabilities))
    return extract_mesh(grid.blocks(), SETTINGS.voxel_size_m)


def test_surfaces_lie_within_a_tenth_of_a_voxel_of_where_they_are(noisy_mesh):
    distance = distances(noisy_mesh.vertices)
    which = np.abs(distance).argmin(1)
    clear = np.sort(np.abs(distance), axis=1)[:, 1] > 2 * SETTINGS.truncation_m  # edges and contacts are left out
    for surface in range(3):
        of_surface = distance[clear & (which == surface), surface]
        assert len(of_surface) > 300
        assert abs(of_surface.mean()) < 0.1 * SETTINGS.voxel_size_m
        assert np.abs(of_surface).mean() < 0.2 * SETTINGS.voxel_size_m


def test_labels_survive_a_fifth_of_wrong_pixels_in_every_frame(noisy_mesh):
    assert len(noisy_mesh.vertices) > 5000
    truth = np.abs(distances(noisy_mesh.vertices)).argmin(1) + 1
    ious = []
    for label in (1, 2, 3):
        is_true, is_ours = truth == label, noisy_mesh.labels == label
        ious.append((is_true & is_ours).sum() / (is_true | is_ours).sum())
    assert np.mean(ious) >= 0.97
