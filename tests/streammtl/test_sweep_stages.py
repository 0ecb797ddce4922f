import numpy as np
import torch

from streammtl.crossview.consistency import source_agreement
from streammtl.crossview.patches import patch_features
from streammtl.crossview.plane_choice import box_mean, choose_plane, refine_position
from streammtl.crossview.semi_global import smooth_semi_global
from streammtl.crossview.upsampling import upsample_along_edges
from streammtl.crossview.warp import sweep_geometry

DIRECTIONS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]


def slow_semi_global(cost, guide, small_step, large_step, edge):
    """Hirschmueller's recursion, pixel by pixel; a diagonal path that leaves the image goes on at the border pixel."""
    planes, height, width = cost.shape
    total = np.zeros_like(cost)
    for dy, dx in DIRECTIONS:
        path = np.zeros_like(cost)
        rows = range(height) if dy >= 0 else range(height - 1, -1, -1)
        columns = range(width) if dx >= 0 else range(width - 1, -1, -1)
        for y in rows:
            for x in columns:
                before_y, before_x = y - dy, x - dx
                if dy and not 0 <= before_x < width:
                    before_x = x
                if not (0 <= before_y < height and 0 <= before_x < width):
                    path[:, y, x] = cost[:, y, x]
                    continue
                previous = path[:, before_y, before_x]
                jump = abs(guide[y, x] - guide[before_y, before_x])
                penalty = small_step + (large_step - small_step) * np.exp(-jump / edge)
                for plane in range(planes):
                    ways = [previous[plane], previous.min() + penalty]
                    ways += [previous[k] + small_step for k in (plane - 1, plane + 1) if 0 <= k < planes]
                    path[plane, y, x] = cost[plane, y, x] + min(ways) - previous.min()
        total += path
    return total / len(DIRECTIONS)


def test_semi_global_smoothing_equals_the_slow_reference():
    rng = np.random.default_rng(0)
    cost, guide = rng.random((6, 7, 9)), rng.random((7, 9))
    expected = slow_semi_global(cost, guide, 0.1, 0.8, 0.2)
    smooth = smooth_semi_global(torch.from_numpy(cost), torch.from_numpy(guide), 0.1, 0.8, 0.2)
    np.testing.assert_allclose(smooth.numpy(), expected, atol=1e-9)


def test_smoothing_fills_a_hole_but_keeps_a_step_at_an_image_edge():
    cost = torch.ones(10, 20, 30)
    cost[2, :, :15], cost[7, :, 15:] = 0.0, 0.0
    cost[:, 8:12, 5:9] = 0.5  # no evidence
    guide = torch.zeros(20, 30)
    guide[:, 15:] = 1.0
    plane = smooth_semi_global(cost, guide).argmin(0)
    assert (plane[:, :15] == 2).all()
    assert (plane[:, 15:] == 7).all()


def test_patch_products_ignore_brightness_and_contrast():
    grey = torch.rand(1, 1, 30, 40, generator=torch.Generator().manual_seed(0))
    features, changed = patch_features(grey, noise=0.0), patch_features(0.3 * grey + 0.5, noise=0.0)
    torch.testing.assert_close(changed, features, atol=1e-3, rtol=0)
    torch.testing.assert_close((features * features).sum(1), torch.ones(1, 30, 40), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        (features * patch_features(1 - grey, noise=0.0)).sum(1), -torch.ones(1, 30, 40), atol=1e-4, rtol=0
    )


def test_flat_patches_match_nothing():
    flat = torch.full((1, 1, 20, 20), 0.5) + 0.001 * torch.rand(
        1, 1, 20, 20, generator=torch.Generator().manual_seed(0)
    )
    assert patch_features(flat).square().sum(1).max() < 0.02


def test_a_parabola_is_found_between_the_planes():
    truth = torch.tensor([[5.3, 8.8], [10.0, 6.5]])
    cost = 0.05 * (torch.arange(16.0)[:, None, None] - truth) ** 2
    for start in (truth.round().long(), truth.round().long() - 1):
        torch.testing.assert_close(refine_position(cost, start), truth, atol=1e-4, rtol=0)


def test_without_a_minimum_the_plane_stays_as_it_is():
    plane = torch.tensor([[0, 5, 15]])
    assert torch.equal(refine_position(torch.zeros(16, 1, 3), plane), plane.float())


def test_a_uniform_volume_has_full_entropy_and_a_sharp_one_none():
    hypotheses = 1 / torch.linspace(2.0, 0.1, 32)
    cost = torch.full((32, 1, 2), 5.0)
    cost[12, 0, 0] = 0.0
    choice = choose_plane(cost, cost, hypotheses)
    assert choice.plane[0, 0] == 12
    assert choice.entropy[0, 0] < 0.01
    assert choice.relative_spread[0, 0] < 0.05
    torch.testing.assert_close(choice.entropy[0, 1], torch.tensor(1.0))


def test_box_means_are_means_also_where_the_box_is_larger_than_the_image():
    volume = torch.rand(3, 8, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(box_mean(volume, 3)[:, 4, 5], volume[:, 3:6, 4:7].mean((1, 2)))
    torch.testing.assert_close(box_mean(volume, 3)[:, 0, 0], volume[:, :2, :2].mean((1, 2)))
    torch.testing.assert_close(box_mean(volume, 21)[:, 4, 5], volume.mean((1, 2)))


def test_a_source_agrees_with_what_it_sees_and_not_with_what_is_hidden(scenes):
    batch, truth = scenes.batch(
        scenes.scene(scenes.two_planes), [scenes.pose(), scenes.pose(x=-0.3)], size=(48, 64), focal=60.0
    )
    geometry = sweep_geometry(batch, (48, 64))
    inverse = 1 / torch.from_numpy(truth)
    agreement = source_agreement(inverse, torch.where(inverse > 0.5, 0.0, 0.1), geometry)
    near = torch.from_numpy(truth) == 1.5
    edge = int(near[24].nonzero().max())
    assert (agreement[:, 15:edge] == 1).all()
    hidden = agreement[24, edge + 1 : edge + 5]  # the strip of wall that the near plane hides from the left
    assert (hidden == 0).all()
    assert (agreement[24, edge + 10 : -7] == 1).all()
    assert (agreement[24, -5:] == 0).all()  # moved out of the source image


def test_upsampling_keeps_constants_and_makes_no_depth_between_surfaces():
    guide = torch.rand(24, 32, generator=torch.Generator().manual_seed(0))
    flat, _ = upsample_along_edges(torch.full((12, 16), 0.4), torch.ones(12, 16), guide[::2, ::2], guide)
    torch.testing.assert_close(flat, torch.full((24, 32), 0.4))
    inverse = torch.where(torch.arange(16) < 7, 1.0, 0.3).expand(12, 16)
    step, _ = upsample_along_edges(inverse, torch.ones(12, 16), guide[::2, ::2], guide)
    near_either = torch.isclose(step, torch.tensor(1.0)) | torch.isclose(step, torch.tensor(0.3))
    assert near_either.all()


def test_upsampling_puts_the_step_where_the_image_has_it():
    guide = (
        (torch.arange(32) >= 15).float().expand(24, 32)
    )  # inside a small pixel: bilinear weights alone would miss it
    small = torch.where(torch.arange(16) < 7, 0.0, 1.0).expand(12, 16).clone()
    inverse = torch.where(torch.arange(16) < 8, 1.0, 0.3).expand(12, 16)
    small[:, 7] = 0.0
    step, _ = upsample_along_edges(inverse, torch.ones(12, 16), small, guide)
    assert torch.allclose(step[:, :15], torch.tensor(1.0))
    assert torch.allclose(step[:, 16:], torch.tensor(0.3))


def test_upsampling_is_exact_on_a_slope():
    inverse = (0.5 + 0.01 * (torch.arange(16) + 0.5)).expand(12, 16)
    guide = torch.full((24, 32), 0.5)
    fine, _ = upsample_along_edges(inverse, torch.ones(12, 16), guide[::2, ::2], guide)
    expected = 0.5 + 0.01 * (torch.arange(32) + 0.5) / 2
    torch.testing.assert_close(fine[:, 1:-1], expected.expand(24, 32)[:, 1:-1])
