"""Whatever is done to a batch, its views must go on seeing one rigid scene: warping with known depth shows it."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from streammtl.augmentation import (
    AugmentationSettings,
    augment_views,
    crop_views,
    flip_views,
    jitter_views,
    scale_views,
)
from streammtl.augmentation.photometric import JitterRange, hsv_to_rgb, rgb_to_hsv
from streammtl.errors import ConfigError, ShapeError
from streammtl.geometry import backproject, normals_from_depth, pixel_grid, project, relative_pose
from streammtl.views import ViewBatch

H, W = 60, 80
NORMAL, OFFSET_M = torch.tensor([0.25, -0.15, -1.0]), -3.0  # of the plane that all cameras see


def poses():
    T = torch.eye(4, dtype=torch.float64).repeat(3, 1, 1)
    a = torch.tensor(0.05, dtype=torch.float64)
    T[1, 0, 0] = T[1, 2, 2] = a.cos()
    T[1, 0, 2], T[1, 2, 0] = a.sin(), -a.sin()
    T[1, :3, 3] = torch.tensor([0.2, 0.05, 0.1])
    T[2, :3, 3] = torch.tensor([-0.15, 0.1, -0.05])
    return T


def plane_batch():
    """Three views of one textured plane, with exact labels: view 1 is the next frame of view 0."""
    K = torch.tensor([[70.0, 0.0, 41.3], [0.0, 72.0, 27.6], [0.0, 0.0, 1.0]]).repeat(3, 1, 1)
    T = poses()
    rays = torch.linalg.inv(K) @ pixel_grid(H, W)
    world_rays = T[:, :3, :3].float() @ rays
    depth = (OFFSET_M - T[:, :3, 3].float() @ NORMAL)[:, None] / (NORMAL @ world_rays)
    depth = depth.view(3, 1, H, W)
    points = world_rays.view(3, 3, H, W) * depth + T[:, :3, 3].float()[:, :, None, None]
    images = 0.5 + 0.4 * torch.sin(points * torch.tensor([1.7, 2.3, 3.1])[:, None, None] + points.flip(1))
    batch = ViewBatch(
        images=images[None],
        K=K[None],
        T_world_cam=T[None],
        view_mask=torch.ones(1, 3, dtype=torch.bool),
        near_m=torch.tensor([0.5]),
        far_m=torch.tensor([10.0]),
        targets={"depth": depth[None], "normals": normals_from_depth(depth, K)[None]},
        valid={},
    )
    flow, scene_flow = motion(batch)
    return replace(batch, targets=batch.targets | {"optical_flow": flow, "scene_flow": scene_flow})


def seen_from(batch, view):
    """Points of view 0 in the axes of another view, and their pixels there."""
    depth, K = batch.targets["depth"][:, 0], batch.K
    T = relative_pose(batch.T_world_cam[:, view], batch.T_world_cam[:, 0]).float()
    points = backproject(depth, K[:, 0])
    moved = (T[:, :3, :3] @ points.flatten(2) + T[:, :3, 3:]).view_as(points)
    return points, moved, project(moved, K[:, view])[0]


def motion(batch):
    """Optical flow and scene flow of view 0 to view 1, repeated for all views, which the tests do not look at."""
    points, moved, pixels = seen_from(batch, 1)
    height, width = batch.images.shape[-2:]
    flow = pixels - pixel_grid(height, width)[:2].view(1, 2, height, width)
    return flow[:, None].expand(-1, 3, -1, -1, -1), (moved - points)[:, None].expand(-1, 3, -1, -1, -1)


def residuals(batch):
    """Largest error of colour and of depth (relative) when views 1 and 2 are warped to view 0, both ends valid."""
    height, width = batch.images.shape[-2:]
    valid = batch.valid.get("depth", torch.ones_like(batch.targets["depth"], dtype=torch.bool))
    colour, relative, compared = [], [], 0
    for view in (1, 2):
        _, moved, pixels = seen_from(batch, view)
        grid = (2 * pixels / pixels.new_tensor([width - 1, height - 1])[:, None, None] - 1).permute(0, 2, 3, 1)

        def sampled(x, grid=grid):
            return F.grid_sample(x, grid, align_corners=True)

        both = valid[:, 0] & (sampled(valid[:, view].float()) > 0.999)
        there = 1 / sampled(1 / batch.targets["depth"][:, view].clamp(min=1e-3))
        relative.append(((there - moved[:, 2:]) / there)[both].abs())
        difference = sampled(batch.images[:, view]) - batch.images[:, 0]
        colour.append(difference.abs()[both.expand_as(difference)])
        compared += both.sum().item()
    assert compared > 0.1 * 2 * height * width
    return torch.cat(colour).quantile(0.95).item(), torch.cat(relative).quantile(0.95).item()


@pytest.fixture
def batch():
    return plane_batch()


CHANGES = {
    "nothing": lambda b: b,
    "flip": flip_views,
    "crop": lambda b: crop_views(b, 7, 11, (40, 56)),
    "pad": lambda b: crop_views(b, -5, -9, (72, 96)),
    "enlarge": lambda b: scale_views(b, 1.7),
    "shrink": lambda b: scale_views(b, 0.6),
    "all": lambda b: flip_views(crop_views(scale_views(b, 1.31), 3, -4, (64, 88))),
}


@pytest.mark.parametrize("change", CHANGES)
def test_known_depth_warps_every_view_onto_the_reference_as_before(batch, change):
    colour, relative = residuals(CHANGES[change](batch))
    before_colour, before_relative = residuals(batch)
    assert relative < before_relative + 2e-4
    assert colour < before_colour + 8e-3


def test_a_camera_that_does_not_follow_is_noticed(batch):
    flipped, scaled, cropped = flip_views(batch), scale_views(batch, 1.5), crop_views(batch, 0, 20, (60, 60))
    for wrong in (
        replace(flipped, T_world_cam=batch.T_world_cam),
        replace(flipped, K=batch.K),
        replace(scaled, targets=scaled.targets | {"depth": scaled.targets["depth"] / 1.5}),
        replace(cropped, K=batch.K),
    ):
        colour, relative = residuals(wrong)
        assert relative > 2e-3 or colour > 2e-2


@pytest.mark.parametrize("change", CHANGES)
def test_normals_still_agree_with_depth(batch, change):
    changed = CHANGES[change](batch)
    depth, normals = changed.targets["depth"][:, 0], changed.targets["normals"][:, 0]
    valid = changed.valid.get("normals", torch.ones_like(changed.targets["depth"], dtype=torch.bool))[:, 0]
    inner = F.max_pool2d((~valid).float(), 5, 1, 2)[..., 3:-3, 3:-3] == 0
    from_depth = normals_from_depth(depth.clamp(min=0.1), changed.K[:, 0])
    cosine = (from_depth * normals).sum(1, keepdim=True)[..., 3:-3, 3:-3]
    assert cosine[inner].quantile(0.05) > 0.9999


@pytest.mark.parametrize("change", CHANGES)
def test_motion_labels_are_those_of_the_changed_cameras(batch, change):
    changed = CHANGES[change](batch)
    flow, scene_flow = motion(changed)
    valid = changed.valid.get("depth", torch.ones_like(changed.targets["depth"], dtype=torch.bool))[:, 0]
    for name, expected, atol in (("optical_flow", flow, 0.12), ("scene_flow", scene_flow, 2e-3)):
        difference = (changed.targets[name][:, 0] - expected[:, 0]).abs()
        assert difference[valid.expand_as(difference)].quantile(0.99) < atol


def test_a_mirror_negates_normal_x_flow_u_and_scene_flow_x_only(batch):
    flipped = flip_views(batch)
    for name, signs in (("normals", (-1, 1, 1)), ("optical_flow", (-1, 1)), ("scene_flow", (-1, 1, 1))):
        expected = batch.targets[name].flip(-1) * torch.tensor(signs)[:, None, None]
        torch.testing.assert_close(flipped.targets[name], expected)
    torch.testing.assert_close(flipped.targets["depth"], batch.targets["depth"].flip(-1))
    assert flipped.K[0, 0, 0, 2].item() == pytest.approx(W - 1 - 41.3)


def test_two_mirrors_are_none(batch):
    twice = flip_views(flip_views(batch))
    torch.testing.assert_close(twice.K, batch.K)
    torch.testing.assert_close(twice.T_world_cam, batch.T_world_cam)
    torch.testing.assert_close(twice.targets["normals"], batch.targets["normals"])


def test_a_mirrored_pose_is_still_a_rigid_motion(batch):
    R = flip_views(batch).T_world_cam[0, :, :3, :3]
    torch.testing.assert_close(R @ R.transpose(1, 2), torch.eye(3, dtype=torch.float64).expand(3, 3, 3))
    torch.testing.assert_close(torch.linalg.det(R), torch.ones(3, dtype=torch.float64))


def test_scaling_mixes_no_depth_across_edges(batch):
    depth = batch.targets["depth"].clone()
    depth[..., W // 2 :] = 1.0
    assert depth[..., : W // 2].min() > 2.0
    changed = scale_views(replace(batch, targets={"depth": depth}), 1.37).targets["depth"]
    assert ((changed > 1.02) & (changed < 2.0)).sum() == 0
    assert ((changed < 1.02).float().mean() - 0.5).abs() < 0.02


def test_class_indices_stay_integers_and_padding_is_not_valid(batch):
    labels = torch.randint(0, 40, (1, 3, 1, H, W), generator=torch.Generator().manual_seed(0))
    labelled = replace(batch, targets={"semantics": labels})
    padded = crop_views(scale_views(labelled, 0.5), -4, -4, (H, W))
    assert padded.targets["semantics"].dtype == torch.int64
    inside = padded.valid["semantics"]
    assert inside.sum() == 3 * (H // 2) * (W // 2)
    assert (padded.targets["semantics"][~inside] == 255).all()
    assert set(padded.targets["semantics"][inside].tolist()) <= set(labels.unique().tolist())


def test_colours_change_per_view_and_geometry_does_not(batch):
    grey = replace(batch, images=torch.full_like(batch.images, 0.4))
    jittered = jitter_views(grey, JitterRange(), torch.Generator().manual_seed(3))
    means = jittered.images.mean((0, 2, 3, 4))
    assert means.unique().numel() == 3
    assert jittered.K is batch.K and jittered.targets is batch.targets
    assert jittered.images.min() >= 0 and jittered.images.max() <= 1


def test_hue_saturation_value_and_back_is_the_identity():
    rgb = torch.rand(2, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    rgb[0, :, 0] = 0.3
    rgb[1, :, 0] = 0.0
    torch.testing.assert_close(hsv_to_rgb(*rgb_to_hsv(rgb)), rgb)
    hue, saturation, value = rgb_to_hsv(torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1, 1))
    assert (hue.item(), saturation.item(), value.item()) == pytest.approx((1 / 3, 1, 1))


def test_random_augmentation_keeps_size_and_geometry_and_repeats_from_its_seed(batch):
    two = replace(
        batch,
        **{
            n: torch.cat([getattr(batch, n)] * 2)
            for n in ("images", "K", "T_world_cam", "view_mask", "near_m", "far_m")
        },
        targets={name: torch.cat([target] * 2) for name, target in batch.targets.items()},
    )
    settings = AugmentationSettings(min_scale=0.7, max_scale=1.5, jitter=False)
    for seed in range(5):
        changed = augment_views(two, settings, torch.Generator().manual_seed(seed))
        assert changed.images.shape == two.images.shape
        _, relative = residuals(changed)
        assert relative < 5e-4
        again = augment_views(two, settings, torch.Generator().manual_seed(seed))
        assert torch.equal(again.images, changed.images) and torch.equal(again.K, changed.K)
        assert not torch.equal(changed.K[0], changed.K[1])


def test_a_crop_of_almost_one_class_is_drawn_again(batch):
    labels = torch.zeros(1, 3, 1, H, W, dtype=torch.int64)
    labels[..., :20] = 1
    labelled = replace(batch, targets={"semantics": labels})
    shares = {}
    for tries in (1, 30):
        settings = AugmentationSettings(min_scale=1.9, max_scale=2.0, jitter=False, crop_tries=tries)
        drawn = [augment_views(labelled, settings, torch.Generator().manual_seed(s)) for s in range(20)]
        shares[tries] = sum(d.targets["semantics"][:, 0].double().mean().item() >= 0.25 for d in drawn)
    assert shares[30] > shares[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda b: flip_views(b),
        lambda b: crop_views(b, -3, 5, (40, 50)),
        lambda b: scale_views(b, 0.6),
        lambda b: jitter_views(b, JitterRange(), torch.Generator().manual_seed(0)),
        lambda b: augment_views(b, AugmentationSettings(), torch.Generator().manual_seed(0)),
    ],
    ids=["flip", "crop", "scale", "jitter", "augment"],
)
def test_next_frames_change_as_their_views_do(batch, change):
    changed = change(replace(batch, next_images=batch.images.clone()))
    assert torch.equal(changed.next_images, changed.images)
    assert not torch.equal(changed.images, batch.images)
    assert change(batch).next_images is None


def test_wrong_arguments_are_refused(batch):
    with pytest.raises(ConfigError, match="scale factor"):
        scale_views(batch, 0.0)
    with pytest.raises(ShapeError, match="misses"):
        crop_views(batch, 0, W, (10, 10))
    with pytest.raises(ValidationError, match="swap"):
        AugmentationSettings(min_scale=2, max_scale=1)
