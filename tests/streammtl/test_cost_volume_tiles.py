import numpy as np
import pytest
import torch
import torch.nn.functional as F

from streammtl.crossview import correlation, cost_volume
from streammtl.crossview.correlation import box_runs, num_products
from streammtl.crossview.cost_volume import build_cost_volume, view_scores
from streammtl.crossview.hypotheses import depth_hypotheses
from streammtl.crossview.module import CrossViewModule
from streammtl.crossview.settings import CrossViewSettings
from streammtl.crossview.tiles import tile_grid, tiled_sweep
from streammtl.crossview.warp import SweepGeometry, sweep_geometry
from streammtl.errors import ConfigError
from streammtl.views import ViewBatch

SIZE = (12, 16)


@pytest.fixture
def batch(scenes) -> ViewBatch:
    """Two samples, four views: sideways, turned, forwards past the nearest planes, and padding in the second."""
    poses = [scenes.pose(), scenes.pose(x=-0.2, yaw=0.3), scenes.pose(y=0.1, z=0.7), scenes.pose(x=0.3, z=-0.2)]
    one, _ = scenes.batch(scenes.scene(), poses, size=(96, 128), focal=110.0)
    names = ("images", "K", "T_world_cam", "view_mask", "near_m", "far_m")
    both = ViewBatch(*(torch.cat([getattr(one, n)] * 2) for n in names))
    both.view_mask[1, 2] = False
    both.T_world_cam[1, 1, 0, 3] = 0.35
    return both


def features_of(batch: ViewBatch, channels: int = 5) -> torch.Tensor:
    return torch.randn(*batch.view_mask.shape, channels, *SIZE, generator=torch.Generator().manual_seed(1))


def scores_and_gradient(batch, method, **options):
    features = features_of(batch).requires_grad_()
    hypotheses = depth_hypotheses(batch.near_m, batch.far_m, 9)
    geometry = sweep_geometry(batch, SIZE)
    volume = build_cost_volume(features[:, 0], features[:, 1:], geometry, hypotheses, method, **options)
    weight = torch.randn(volume.scores.shape, generator=torch.Generator().manual_seed(2))
    (volume.scores * weight).sum().backward()
    return volume.scores.detach(), features.grad


@pytest.mark.parametrize("method", ["boxes", "all_pairs"])
@pytest.mark.parametrize("budget_bytes", [1, 4 * 12 * 16 * 5, 4 * 12 * 16 * 16 * 3, 10**9])
def test_any_memory_budget_gives_the_same_scores_and_gradients(batch, budget_bytes, method):
    scores, gradient = scores_and_gradient(batch, method, budget_bytes=budget_bytes)
    slow_scores, slow_gradient = scores_and_gradient(batch, "per_plane")
    torch.testing.assert_close(scores, slow_scores, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(gradient, slow_gradient, atol=1e-4, rtol=1e-4)


def test_gradients_are_those_of_the_definition():
    batch = ViewBatch(
        images=torch.zeros(1, 2, 3, 96, 128),
        K=torch.tensor([[110.0, 0, 63.5], [0, 110.0, 47.5], [0, 0, 1]]).expand(1, 2, 3, 3),
        T_world_cam=torch.eye(4, dtype=torch.float64).repeat(1, 2, 1, 1),
        view_mask=torch.ones(1, 2, dtype=torch.bool),
        near_m=torch.tensor([0.5]),
        far_m=torch.tensor([5.0]),
    )
    batch.T_world_cam[0, 1, 0, 3] = 0.2
    features = features_of(batch).requires_grad_()
    geometry, hypotheses = sweep_geometry(batch, SIZE), depth_hypotheses(batch.near_m, batch.far_m, 6)

    def total(values):
        return view_scores(values[:, 0], values[:, 1], geometry, 0, hypotheses, "boxes", 1000)[0].sum()

    total(features).backward()
    rng = np.random.default_rng(0)
    for _ in range(12):
        place = tuple(int(rng.integers(n)) for n in features.shape)
        nudge = torch.zeros_like(features)
        nudge[place] = 0.5  # scores are linear in each feature
        with torch.no_grad():
            slope = total(features + nudge) - total(features - nudge)
        torch.testing.assert_close(features.grad[place], slope, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("size", [(12, 16), (5, 7), (1, 30), (4, 8)])
@pytest.mark.parametrize("most_pixels", [1, 3, 8, 1000])
def test_joining_tiles_undoes_cutting(size, most_pixels):
    grid = tile_grid(*size, most_pixels)
    maps = torch.rand(3, size[0] * size[1], 2)
    tiles = grid.cut(maps)
    assert tiles.shape == (3 * grid.count, grid.pixels, 2)
    assert grid.pixels <= most_pixels
    assert torch.equal(grid.joined(tiles), maps)


def sweep_of(batch: ViewBatch, size: tuple[int, int], num_planes: int, index: int = 0, most_pixels: int = 1000):
    geometry = sweep_geometry(batch, size)
    inverse = depth_hypotheses(batch.near_m, batch.far_m, num_planes).reciprocal()
    return tiled_sweep(geometry, index, geometry.visible_range(index), inverse, most_pixels)


def test_products_keep_to_their_budget(batch):
    for pixels in (1, 4, 32):
        budget = 4 * 12 * 16 * pixels
        for index in range(3):
            sweep = sweep_of(batch, SIZE, 9, index, pixels)
            runs = box_runs(sweep, 5, budget)
            assert [run.first for run in runs[1:]] == [run.last for run in runs[:-1]]
            assert (runs[0].first, runs[-1].last) == (0, 2 * sweep.grid.count)
            assert all(4 * num_products(sweep, [run]) <= budget for run in runs)


def test_boxes_hold_every_point_that_is_seen(batch):
    geometry = sweep_geometry(batch, SIZE)
    planes = depth_hypotheses(batch.near_m, batch.far_m, 40)
    for index in range(3):
        sweep = sweep_of(batch, SIZE, 40, index)
        u, v, visible = (x.transpose(1, 2) for x in geometry.project(planes[:, :, None], index))
        u, v, visible = (sweep.grid.cut(x) for x in (u, v, visible.float()))
        start, end = sweep.box_start[..., None, None], sweep.box_end[..., None, None]
        inside = (u >= start[0] - 1e-3) & (u <= end[0] - 1 + 1e-3) & (v >= start[1] - 1e-3) & (v <= end[1] - 1 + 1e-3)
        assert inside[visible > 0].all()
        assert visible.mean() > 0.2 or not geometry.mask[:, index].all()


def test_a_pixels_ray_is_visible_in_one_stretch(batch):
    geometry = sweep_geometry(batch, SIZE)
    planes = torch.linspace(0.1, 20.0, 400).expand(2, -1)
    for index in range(3):
        low, high = geometry.visible_range(index)
        inverse = planes.reciprocal()[:, :, None]
        stretch = (inverse >= low[:, None]) & (inverse <= high[:, None])
        assert (stretch == geometry.project(planes[:, :, None], index)[2]).float().mean() > 0.9999


def test_a_tile_multiplies_only_the_band_it_lands_in(scenes):
    sideways, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=0.15)], size=(256, 320), focal=300.0)
    sweep = sweep_of(sideways, (32, 40), 16)
    widths, heights = (sweep.box_end - sweep.box_start).tolist()
    assert max(heights) <= 4 + 2
    assert max(widths) <= 8 + 2 + 300 / 8 * 0.15 / 0.6
    assert num_products(sweep, box_runs(sweep, 64, 10**9)) < 0.1 * 1280**2


@pytest.mark.parametrize(("method", "part"), [("boxes", "_run_scores"), ("all_pairs", "_some_pairs")])
def test_memory_for_the_backward_pass_is_bounded(batch, monkeypatch, method, part):
    """Beyond the budget, products are computed again instead of being kept: every part runs twice."""
    runs = []
    compute = getattr(correlation, part)
    monkeypatch.setattr(correlation, part, lambda *arguments: runs.append(1) or compute(*arguments))
    budget = 4 * 12 * 16 * 16
    scores_and_gradient(batch, method, budget_bytes=budget)
    with_gradient = len(runs)
    runs.clear()
    features, geometry = features_of(batch), sweep_geometry(batch, SIZE)
    planes = depth_hypotheses(batch.near_m, batch.far_m, 9)
    build_cost_volume(features[:, 0], features[:, 1:], geometry, planes, method, budget)
    assert len(runs) > 3
    assert with_gradient > 1.5 * len(runs)  # runs that see nothing have no gradient


def test_geometry_stays_in_full_precision_under_autocast(batch):
    batch.T_world_cam[:, :, :3, 3] += 500.0  # far from the origin, bfloat16 and float32 lose the baseline
    plain = sweep_geometry(batch, SIZE)
    planes = depth_hypotheses(batch.near_m, batch.far_m, 9)
    with torch.autocast("cpu", torch.bfloat16):
        under = sweep_geometry(batch, SIZE)
        planes_under = depth_hypotheses(batch.near_m, batch.far_m, 9)
        landings = under.project(planes_under[:, :, None], 0)
    assert torch.equal(plain.direction, under.direction)
    assert torch.equal(plain.offset, under.offset)
    assert torch.equal(planes, planes_under)
    for ours, theirs in zip(plain.project(planes[:, :, None], 0), landings, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("method", ["boxes", "all_pairs", "per_plane"])
def test_autocast_and_half_features_change_scores_only_by_their_rounding(batch, method):
    features = features_of(batch, channels=32)
    geometry, planes = sweep_geometry(batch, SIZE), depth_hypotheses(batch.near_m, batch.far_m, 9)
    plain = build_cost_volume(features[:, 0], features[:, 1:], geometry, planes, method)
    with torch.autocast("cpu", torch.bfloat16):
        half = features.bfloat16()
        under = build_cost_volume(half[:, 0], half[:, 1:], geometry, planes, method)
    assert under.scores.dtype == torch.float32
    assert torch.equal(plain.views, under.views)
    spread = plain.scores.std()
    assert (plain.scores - under.scores).abs().max() < 0.05 * spread


def test_the_whole_module_runs_under_autocast(scenes):
    torch.manual_seed(0)
    module = CrossViewModule(CrossViewSettings(num_planes=16, channels=16)).eval()
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=0.15)], size=(64, 96), focal=80.0)
    with torch.no_grad():
        plain = module(batch)
        with torch.autocast("cpu", torch.bfloat16):
            under = module(batch)
    assert torch.equal(plain.valid, under.valid)
    assert torch.equal(plain.hypotheses, under.hypotheses)
    alike = F.cosine_similarity(plain.volume.flatten(), under.volume.float().flatten(), dim=0)
    assert alike > 0.99


@pytest.mark.parametrize(("turned", "expected"), [(False, "boxes"), (True, "per_plane")])
def test_large_boxes_for_few_channels_are_not_worth_it(scenes, monkeypatch, turned, expected):
    rolled = scenes.pose(x=0.3, y=0.3)
    if turned:
        rolled[:2, :2] = np.array([[0.8, -0.6], [0.6, 0.8]])
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(), rolled], size=(256, 320), focal=300.0)
    reference, source = torch.randn(2, 1, 8, 64, 80, generator=torch.Generator().manual_seed(0))
    planes = depth_hypotheses(batch.near_m, batch.far_m, 8 if turned else 64)
    taken = []
    for method, name in (("boxes", "box_scores"), ("per_plane", "_per_plane")):
        monkeypatch.setattr(cost_volume, name, noting(taken, method, getattr(cost_volume, name)))
    view_scores(reference, source, sweep_geometry(batch, (64, 80)), 0, planes)
    assert taken == [expected]


def noting(taken, method, compute):
    return lambda *arguments: taken.append(method) or compute(*arguments)


def test_boxes_are_refused_off_the_cpu():
    features = torch.zeros(1, 4, 3, 5, device="meta")
    geometry = SweepGeometry(torch.zeros(1, 1, 3, 15), torch.zeros(1, 1, 3), torch.ones(1, 1, dtype=torch.bool), 3, 5)
    with pytest.raises(ConfigError, match="all_pairs"):
        view_scores(features, features, geometry, 0, torch.ones(1, 2), "boxes")
