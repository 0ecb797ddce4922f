import math

import pytest
import torch

from streammtl.errors import ShapeError
from streammtl.geometry import (
    backproject,
    face_camera,
    normals_from_depth,
    pixel_grid,
    project,
    relative_pose,
    resize_intrinsics,
)

K = torch.tensor([[[300.0, 0, 160.2], [0, 310.0, 118.7], [0, 0, 1]]])


def rotation(axis_angle: list[float]) -> torch.Tensor:
    x, y, z = axis_angle
    return torch.linalg.matrix_exp(torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64))


def plane_depth(normal: torch.Tensor, distance: float, height: int = 240, width: int = 320) -> torch.Tensor:
    rays = torch.linalg.inv(K[0].double()) @ pixel_grid(height, width, dtype=torch.float64)
    return (distance / (normal.double() @ rays)).view(1, 1, height, width).float()


def test_resizing_intrinsics_and_back_gives_the_same():
    there = resize_intrinsics(K, (240, 320), (30, 40))
    torch.testing.assert_close(resize_intrinsics(there, (30, 40), (240, 320)), K)


def test_resized_intrinsics_keep_the_pixel_corners_in_place():
    small = resize_intrinsics(K, (240, 320), (30, 40))[0]
    ray_of_the_corner = torch.linalg.inv(K[0]) @ torch.tensor([-0.5, -0.5, 1.0])
    seen = small @ ray_of_the_corner
    torch.testing.assert_close(seen[:2], torch.tensor([-0.5, -0.5]), atol=1e-4, rtol=0)
    naive_cx = float(K[0, 0, 2]) / 8
    assert abs(float(small[0, 2]) - naive_cx + 0.4375) < 1e-4  # the shift that scaling without the half pixel leaves


def test_relative_pose_is_exact_far_from_the_origin():
    T_a, T_b = torch.eye(4, dtype=torch.float64).repeat(2, 1, 1)
    T_a[:3, :3], T_b[:3, :3] = rotation([0.1, -0.4, 0.2]), rotation([0.15, -0.3, 0.2])
    step = torch.tensor([1e-4, -2e-4, 3e-4], dtype=torch.float64)
    T_a[:3, 3] = torch.tensor([5000.0, -3000.0, 800.0])
    T_b[:3, 3] = T_a[:3, 3] + step
    T_a_b = relative_pose(T_a, T_b)
    torch.testing.assert_close(T_a_b[:3, 3], T_a[:3, :3].T @ step, atol=1e-11, rtol=0)
    torch.testing.assert_close(T_a @ T_a_b, T_b)


def test_projecting_what_was_back_projected_gives_the_pixels():
    depth = torch.rand(1, 1, 24, 32, generator=torch.Generator().manual_seed(0)) * 4 + 0.5
    uv, z = project(backproject(depth, K), K)
    torch.testing.assert_close(z, depth)
    torch.testing.assert_close(uv[0], pixel_grid(24, 32)[:2].view(2, 24, 32), atol=1e-3, rtol=0)


def test_back_projection_refuses_depth_without_a_channel():
    with pytest.raises(ShapeError, match="backproject"):
        backproject(torch.ones(1, 24, 32), K)


@pytest.mark.parametrize("normal", [(0.0, 0.0, 1.0), (0.5, -0.3, 0.9), (-0.1, 0.8, 0.5)])
def test_normals_of_a_tilted_plane_are_right_to_a_tenth_of_a_degree(normal):
    n = torch.tensor(normal) / torch.tensor(normal).norm()
    depth = plane_depth(n, 2.0)
    assert (depth > 0).float().mean() > 0.5
    normals = normals_from_depth(depth, K)
    expected = -n.view(1, 3, 1, 1)  # n·X = 2 with the camera on the near side
    difference = (normals - expected).norm(dim=1)
    angle_deg = 2 * torch.rad2deg(torch.asin((difference / 2).clamp(max=1)))
    inside = (depth > 0)[:, 0] & (depth < 50)[:, 0]
    inside = inside & (torch.nn.functional.max_pool2d((~inside).float(), 3, 1, 1) == 0)
    assert angle_deg[inside].max() < 0.1


def test_normals_are_turned_towards_the_camera():
    towards = torch.tensor([0.0, 0.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 24, 32)
    torch.testing.assert_close(face_camera(-towards, K), towards)
    torch.testing.assert_close(face_camera(towards, K), towards)
    grazing = torch.tensor([math.cos(0.1), 0.0, math.sin(0.1)]).view(1, 3, 1, 1).expand(1, 3, 24, 32)
    flipped = face_camera(grazing, K)
    rays = (torch.linalg.inv(K) @ pixel_grid(24, 32)).view(1, 3, 24, 32)
    assert ((flipped * rays).sum(1) <= 0).all()
