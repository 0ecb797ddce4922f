import math

import pytest
import torch

from streammtl.losses.consistency import (
    depth_normal_consistency,
    depth_steps,
    label_boundary_consistency,
    literal_depth_normal_consistency,
    literal_label_boundary_consistency,
)

SIZE = (48, 64)
EVERYWHERE = torch.ones(1, 1, *SIZE, dtype=torch.bool)


def camera(focal_x, focal_y=None, centre=(31.5, 23.5)):
    return torch.tensor([[[focal_x, 0, centre[0]], [0, focal_y or focal_x, centre[1]], [0, 0, 1.0]]])


def plane(normal, distance, K):
    """Depth [1,1,h,w] of the plane normal . X = -distance and its unit normal, which faces the camera."""
    normal = torch.tensor(normal) / torch.tensor(normal).norm()
    v, u = torch.meshgrid(torch.arange(float(SIZE[0])), torch.arange(float(SIZE[1])), indexing="ij")
    rays = torch.stack((u, v, torch.ones_like(u)), -1) @ torch.linalg.inv(K[0]).T
    return (-distance / (rays @ normal))[None, None], normal.view(1, 3, 1, 1).expand(1, 3, *SIZE)


@pytest.mark.parametrize("K", [camera(519.0), camera(90.0, 120.0), camera(300.0, centre=(-20.0, 80.0))])
@pytest.mark.parametrize("normal", [[0.0, 0.0, -1.0], [0.7071, 0.0, -0.7071], [-0.3, 0.5, -0.8]])
def test_a_plane_and_its_normal_agree_whatever_the_camera(K, normal):
    depth, true = plane(normal, 2.0, K)
    assert depth.min() > 0
    assert depth_normal_consistency(depth, 3 * true, K, EVERYWHERE).item() < 1e-5


def test_the_literal_loss_takes_a_slope_for_a_wall_that_faces_the_camera():
    """A 45 degree plane 3 m away at 519 px focal length: 44.7 degrees from what Eq. 16 makes of it."""
    K = camera(519.0)
    depth, true = plane([0.70710678, 0.0, -0.70710678], 3.0 * math.sqrt(0.5), K)
    literal = literal_depth_normal_consistency(depth, true, K, EVERYWHERE).item()
    assert math.degrees(math.acos(1 - literal)) == pytest.approx(44.7, abs=0.2)
    facing = torch.tensor([0.0, 0.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, *SIZE)
    assert literal_depth_normal_consistency(depth, facing, K, EVERYWHERE).item() < 1e-4  # where it pulls normals to
    assert depth_normal_consistency(depth, facing, K, EVERYWHERE).item() == pytest.approx(1 - math.sqrt(0.5), abs=1e-4)


def test_steps_between_surfaces_and_masked_pixels_do_not_count():
    K = camera(80.0)
    depth, true = plane([0.0, 0.0, -1.0], 2.0, K)
    depth = depth.clone()
    depth[..., 32:] += 1.0
    steps = depth_steps(depth)
    assert steps[..., 31:33].all() and not steps[..., :31].any() and not steps[..., 33:].any()
    assert depth_normal_consistency(depth, true, K, EVERYWHERE).item() < 1e-6
    wrong = torch.where(torch.arange(SIZE[1]) < 10, -true, true)
    assert depth_normal_consistency(depth, wrong, K, EVERYWHERE & (torch.arange(SIZE[1]) >= 10)).item() < 1e-6
    assert depth_normal_consistency(depth, wrong, K, EVERYWHERE).item() > 0.1


def test_depth_and_normals_both_learn_from_their_disagreement():
    K = camera(80.0)
    depth, true = plane([0.3, 0.0, -0.9], 2.0, K)
    log_depth, normals = (
        depth.log().requires_grad_(),
        torch.tensor([0.0, 0.0, -1.0]).view(1, 3, 1, 1).repeat(1, 1, 48, 64),
    )
    normals.requires_grad_()
    depth_normal_consistency(log_depth.exp(), normals, K, EVERYWHERE).backward()
    assert log_depth.grad.isfinite().all() and log_depth.grad.abs().sum() > 0
    stepped = (normals - normals.grad * 100).detach()
    assert (stepped * true).sum(1).mean() > (normals * true).sum(1).mean()


def halves(sharpness):
    """Logits of two classes that meet between columns 31 and 32."""
    side = torch.where(torch.arange(SIZE[1]) < 32, 1.0, -1.0).expand(1, 1, *SIZE) * sharpness
    return torch.cat((side, -side), 1)


def test_labels_agree_with_boundaries_where_and_only_where_classes_meet():
    boundaries = torch.full((1, 1, *SIZE), -30.0)
    boundaries[..., 31] = 30.0
    assert label_boundary_consistency(halves(15.0), boundaries, EVERYWHERE).item() < 1e-6
    shifted = boundaries.roll(5, -1)
    assert label_boundary_consistency(halves(15.0), shifted, EVERYWHERE).item() == pytest.approx((0.95 + 0.05) / 64)
    # at half the size a boundary counts wherever one of its four pixels is one
    assert label_boundary_consistency(halves(15.0)[..., ::2, ::2], boundaries, EVERYWHERE[..., ::2, ::2]).item() < 1e-6
    assert literal_label_boundary_consistency(halves(15.0), boundaries, EVERYWHERE).item() > 10  # of logits, unbounded


def test_boundaries_learn_nothing_from_labels():
    logits = halves(0.5).requires_grad_()
    boundaries = torch.zeros(1, 1, *SIZE, requires_grad=True)
    label_boundary_consistency(logits, boundaries, EVERYWHERE).backward()
    assert boundaries.grad is None and logits.grad.abs().sum() > 0
