import numpy as np
import pytest
import torch
import torch.nn.functional as F

from streammtl.crossview import correlation, cost_volume
from streammtl.crossview.correlation import Landing, num_products, plan_tiles, whole_source_tiles
from streammtl.crossview.cost_volume import build_cost_volume, view_scores
from streammtl.crossview.hypotheses import depth_hypotheses
from streammtl.crossview.module import CrossViewModule
from streammtl.crossview.settings import CrossViewSettings
from streammtl.crossview.warp import sweep_geometry
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


@pytest.mark.parametrize("budget_bytes", [1, 4 * 12 * 16 * 5, 4 * 12 * 16 * 16 * 3, 10**9])
def test_any_memory_budget_gives_the_same_scores_and_gradients(batch, budget_bytes):
    scores, gradient = scores_and_gradient(batch, "correlation_first", budget_bytes=budget_bytes)
    slow_scores, slow_gradient = scores_and_gradient(batch, "per_plane")
    torch.testing.assert_close(scores, slow_scores, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(gradient, slow_gradient, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("budget_bytes", [1, 4 * 2 * 192 * 50, 10**9])
def test_tiles_with_the_whole_source_as_on_a_gpu_give_the_same(batch, budget_bytes, monkeypatch):
    slow_scores, slow_gradient = scores_and_gradient(batch, "per_plane")
    monkeypatch.setattr(cost_volume, "plan_tiles", whole_source_tiles)
    scores, gradient = scores_and_gradient(batch, "correlation_first", budget_bytes=budget_bytes)
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
        return view_scores(values[:, 0], values[:, 1], geometry, 0, hypotheses, "correlation_first", 1000)[0].sum()

    total(features).backward()
    rng = np.random.default_rng(0)
    for _ in range(12):
        place = tuple(int(rng.integers(n)) for n in features.shape)
        nudge = torch.zeros_like(features)
        nudge[place] = 0.5  # scores are linear in each feature
        with torch.no_grad():
            slope = total(features + nudge) - total(features - nudge)
        torch.testing.assert_close(features.grad[place], slope, atol=1e-3, rtol=1e-3)


def test_tiles_keep_to_their_budget_and_cover_every_pixel(batch):
    geometry = sweep_geometry(batch, SIZE)
    u, v, visible = geometry.project(depth_hypotheses(batch.near_m, batch.far_m, 9)[:, :, None], 0)
    landing = Landing(u, v, visible, *SIZE)
    for budget in (4 * 12 * 16, 4 * 12 * 16 * 7, 4 * 12 * 16 * 50):
        rows = plan_tiles(landing, budget)
        assert all(4 * tile.products <= budget for row in rows for tile in row)
        for row in rows:
            assert [i for tile in row for i in range(tile.first, tile.last)] == list(range(12 * 16))


def test_a_tile_multiplies_only_the_band_it_lands_in(scenes):
    sideways, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=0.15)], size=(256, 320), focal=300.0)
    geometry = sweep_geometry(sideways, (32, 40))
    u, v, visible = geometry.project(depth_hypotheses(sideways.near_m, sideways.far_m, 16)[:, :, None], 0)
    tiles = plan_tiles(Landing(u, v, visible, 32, 40), 4 * 40 * 1280)  # one row of pixels each
    assert len(tiles[0]) == 32
    assert max(tile.bottom - tile.top for tile in tiles[0]) <= 3
    assert num_products(tiles) < 0.1 * 1280**2


def test_memory_for_the_backward_pass_is_bounded(batch, monkeypatch):
    """Beyond the budget, products are computed again instead of being kept: every tile runs twice."""
    runs = []
    compute = correlation._tile_scores
    monkeypatch.setattr(correlation, "_tile_scores", lambda *args: runs.append(args[3].products) or compute(*args))
    budget = 4 * 12 * 16 * 16
    scores_and_gradient(batch, "correlation_first", budget_bytes=budget)
    with_gradient = len(runs)
    runs.clear()
    features, geometry = features_of(batch), sweep_geometry(batch, SIZE)
    planes = depth_hypotheses(batch.near_m, batch.far_m, 9)
    build_cost_volume(features[:, 0], features[:, 1:], geometry, planes, "correlation_first", budget)
    assert with_gradient == len(runs) + sum(products > 0 for products in runs)  # empty tiles have no gradient


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


@pytest.mark.parametrize("method", ["correlation_first", "per_plane"])
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


@pytest.mark.parametrize(("channels", "expected"), [(8, "per_plane"), (32, "correlation_first")])
def test_narrow_features_are_swept_plane_by_plane_and_wide_ones_are_not(scenes, channels, expected):
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=0.15)], size=(256, 320), focal=300.0)
    reference, source = torch.randn(2, 1, channels, 32, 40, generator=torch.Generator().manual_seed(0))
    planes = depth_hypotheses(batch.near_m, batch.far_m, 64)
    geometry = sweep_geometry(batch, (32, 40))
    chosen, meant = (view_scores(reference, source, geometry, 0, planes, method)[0] for method in ("auto", expected))
    assert torch.equal(chosen, meant)
