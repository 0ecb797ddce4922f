import math

import pytest
import torch

from streammtl.crossview.cost_volume import build_cost_volume
from streammtl.crossview.hypotheses import depth_hypotheses
from streammtl.crossview.metadata import MetadataCostVolume, view_placement
from streammtl.crossview.module import CrossViewModule
from streammtl.crossview.settings import CrossViewSettings
from streammtl.crossview.warp import sweep_geometry
from streammtl.models.network_settings import LITE
from streammtl.models.settings import ModelSettings

SIZE = (12, 16)


def make_batch(scenes, xs=(0.0, -0.2, 0.35)):
    batch, _ = scenes.batch(
        scenes.scene(), [scenes.pose(x=x, z=abs(x), yaw=x / 4) for x in xs], size=(96, 128), focal=110.0
    )
    return batch


def sweep(batch, planes=9, channels=6):
    """What both kinds of cost volume take, and where views are placed."""
    count = batch.view_mask.shape[1]
    features = torch.randn(1, count, channels, *SIZE, generator=torch.Generator().manual_seed(0))
    hypotheses = depth_hypotheses(batch.near_m, batch.far_m, planes)
    views = torch.arange(1, count)[None]
    geometry = sweep_geometry(batch, SIZE, views)
    placement = view_placement(batch, SIZE, views, geometry.mask, hypotheses)
    return (features[:, 0], features[:, 1:], geometry, hypotheses), placement


def trained() -> MetadataCostVolume:
    torch.manual_seed(0)
    volume = MetadataCostVolume()
    torch.nn.init.normal_(volume.network[-1].weight, std=0.3)
    return volume


def test_a_fresh_one_is_the_plain_mean(scenes):
    given, placement = sweep(make_batch(scenes))
    plain, fresh = build_cost_volume(*given), MetadataCostVolume()(*given, placement)
    torch.testing.assert_close(fresh.scores, plain.scores, atol=1e-5, rtol=1e-5)
    assert torch.equal(fresh.views, plain.views)
    assert (plain.views == 0).any()
    assert (trained()(*given, placement).scores - plain.scores).abs().max() > 0.1


def test_placement_in_closed_form(scenes):
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=0.3), scenes.pose(z=0.5, yaw=0.0)])
    depths = torch.tensor([[1.0, 2.0]])
    views = torch.tensor([[1, 2]])
    placed = view_placement(batch, (3, 3), views, torch.ones(1, 2, dtype=torch.bool), depths)[0, :, :, 1, 1]
    for plane, depth in enumerate((1.0, 2.0)):  # the middle pixel looks straight ahead
        sideways = [math.atan2(0.3, depth), 0.0, 0.3 / depth, 0.0, math.log(depth)]
        forwards = [0.0, math.log((depth - 0.5) / depth), 0.5 / depth, 0.0, math.log(depth)]
        torch.testing.assert_close(placed[:, plane], torch.tensor([sideways, forwards]), atol=1e-3, rtol=1e-3)
    turned, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(yaw=0.2)])
    rotation = view_placement(turned, (3, 3), views[:, :1], torch.ones(1, 1, dtype=torch.bool), depths)[..., 3]
    expected = 2 * (1 - (1 + 2 * math.cos(0.2)) / 3)
    torch.testing.assert_close(rotation, torch.full_like(rotation, expected), atol=1e-5, rtol=1e-5)


def test_gradients_reach_features_and_network_and_stay_finite(scenes):
    (reference, sources, geometry, hypotheses), placement = sweep(make_batch(scenes))
    reference, sources = reference.requires_grad_(), sources.requires_grad_()
    volume = trained()
    volume(reference, sources, geometry, hypotheses, placement).scores.square().sum().backward()
    for tensor in (reference, sources, *volume.parameters()):
        assert tensor.grad.isfinite().all()
        assert tensor.grad.abs().sum() > 0


def test_padded_views_and_the_order_of_views_do_not_matter(scenes):
    volume = trained()
    (reference, sources, geometry, hypotheses), placement = sweep(make_batch(scenes))
    expected = volume(reference, sources, geometry, hypotheses, placement)
    swapped = make_batch(scenes, (0.0, 0.35, -0.2))
    (_, _, turned, _), placed = sweep(swapped)
    again = volume(reference, sources.flip(1), turned, hypotheses, placed)
    torch.testing.assert_close(again.scores, expected.scores, atol=1e-4, rtol=1e-4)

    padded = make_batch(scenes, (0.0, -0.2, 0.35, 0.1))
    padded.view_mask[0, 3] = False
    padded.K = padded.K.clone()
    padded.T_world_cam[0, 3], padded.K[0, 3] = float("nan"), float("nan")
    (_, _, more, _), placed = sweep(padded)
    spoilt = torch.cat((sources, torch.full_like(sources[:, :1], float("nan"))), 1)
    four = volume(reference, spoilt, more, hypotheses, placed)
    torch.testing.assert_close(four.scores, expected.scores, atol=1e-4, rtol=1e-4)
    assert torch.equal(four.views, expected.views)


@pytest.mark.parametrize("xs", [(0.0,), (0.0, -0.15, 0.15)])
def test_it_is_one_setting_of_the_module_and_off_by_default(scenes, xs):
    assert not LITE.cross_view.plane_metadata
    assert LITE.changed_by(ModelSettings(plane_metadata=True)).cross_view.plane_metadata
    torch.manual_seed(0)
    module = CrossViewModule(CrossViewSettings(num_planes=16, channels=16, plane_metadata=True))
    plain = CrossViewModule(CrossViewSettings(num_planes=16, channels=16))
    plain.load_state_dict({k: v for k, v in module.state_dict().items() if not k.startswith("metadata.")})
    batch = make_batch(scenes, xs)
    torch.testing.assert_close(module(batch).volume, plain(batch).volume, atol=1e-4, rtol=1e-4)
    assert torch.equal(module(batch).valid, plain(batch).valid)
