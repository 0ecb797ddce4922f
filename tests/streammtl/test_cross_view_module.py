import numpy as np
import pytest
import torch

from streammtl.crossview.module import CrossViewModule
from streammtl.crossview.multiview_transformer import MultiViewTransformer
from streammtl.crossview.neighbours import best_neighbours
from streammtl.crossview.settings import CrossViewSettings
from streammtl.crossview.windows import merge_windows, shifted_mask, split_windows
from streammtl.errors import ShapeError


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return CrossViewModule(CrossViewSettings(num_planes=16, channels=16)).eval()


def make_batch(scenes, xs=(0.0, -0.15, 0.15)):
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(x=x) for x in xs], size=(64, 96), focal=80.0)
    return batch


def test_outputs_have_the_promised_shapes(module, scenes):
    cross_view = module(make_batch(scenes))
    assert cross_view.features.shape == (1, 16, 8, 12)
    assert cross_view.volume.shape == cross_view.valid.shape == (1, 16, 8, 12)
    assert ((cross_view.entropy >= 0) & (cross_view.entropy <= 1 + 1e-5)).all()


def test_without_neighbours_the_volume_is_the_learned_vector(module, scenes):
    with torch.no_grad():
        module.no_match.copy_(torch.arange(16.0))
        for batch in (make_batch(scenes, (0.0,)), make_batch(scenes)):
            batch.view_mask[:, 1:] = False
            cross_view = module(batch)
            assert not cross_view.valid.any()
            torch.testing.assert_close(cross_view.volume, torch.arange(16.0).view(1, 16, 1, 1).expand(1, 16, 8, 12))
        module.no_match.zero_()


@torch.no_grad()
def test_what_padded_views_hold_has_no_influence(module, scenes):
    batch, spoilt = make_batch(scenes), make_batch(scenes)
    batch.view_mask[0, 1] = spoilt.view_mask[0, 1] = False
    spoilt.images = spoilt.images.clone()
    spoilt.images[0, 1], spoilt.T_world_cam[0, 1] = float("nan"), float("nan")
    spoilt.K = spoilt.K.clone()
    spoilt.K[0, 1] = float("nan")
    a, b, without = module(batch), module(spoilt), module(make_batch(scenes, (0.0, 0.15)))
    assert torch.equal(a.volume, b.volume)
    assert torch.equal(a.features, b.features)
    torch.testing.assert_close(a.volume, without.volume, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_batch_of_two_equals_two_batches_of_one(module, scenes):
    first, second = make_batch(scenes), make_batch(scenes, (0.0, 0.1, -0.25))
    second.view_mask[0, 2] = False
    names = ("images", "K", "T_world_cam", "view_mask", "near_m", "far_m")
    both = type(first)(*(torch.cat((getattr(first, n), getattr(second, n))) for n in names))
    together = module(both)
    for index, single in enumerate((first, second)):
        torch.testing.assert_close(together.volume[index], module(single).volume[0], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_order_of_neighbours_does_not_matter(module, scenes):
    a, b = module(make_batch(scenes, (0.0, -0.15, 0.2))), module(make_batch(scenes, (0.0, 0.2, -0.15)))
    torch.testing.assert_close(a.volume, b.volume, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(a.features, b.features, atol=1e-4, rtol=1e-4)


def test_every_parameter_is_trained(scenes):
    torch.manual_seed(0)
    module = CrossViewModule(CrossViewSettings(num_planes=16, channels=16))
    torch.nn.init.normal_(module.transformer.adapter.out.weight, std=0.1)  # starts at zero, which stops gradients
    cross_view = module(make_batch(scenes))
    ((cross_view.volume - 1).square().sum() + cross_view.features.square().sum()).backward()
    without = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_neighbours_with_useful_parallax_come_first(scenes):
    poses = np.stack([scenes.pose(x=x) for x in (0.0, 0.01, 0.6, 0.16, 0.25)])
    indices, valid = best_neighbours(torch.from_numpy(poses)[None], torch.tensor([[True] * 5]), 2)
    assert indices[0, 0].tolist() == [3, 4]
    assert valid.all()
    indices, valid = best_neighbours(torch.from_numpy(poses)[None], torch.tensor([[True, True, False, False, True]]), 3)
    assert indices[0, 0, :2].tolist() == [4, 1]
    assert valid[0, 0].tolist() == [True, True, False]


def test_more_neighbours_than_views_are_marked_invalid(scenes):
    poses = torch.from_numpy(np.stack([scenes.pose(), scenes.pose(x=0.1)]))[None]
    indices, valid = best_neighbours(poses, torch.ones(1, 2, dtype=torch.bool), 4)
    assert indices.shape == valid.shape == (1, 2, 4)
    assert valid.sum(-1).tolist() == [[1, 1]]


@pytest.mark.parametrize("shifted", [False, True])
def test_merging_windows_undoes_splitting(shifted):
    x = torch.rand(3, 6, 10, 4)
    assert torch.equal(merge_windows(split_windows(x, 2, shifted), 2, shifted, 6, 10), x)


def test_shifted_windows_do_not_look_across_the_wrapped_border():
    height, width = 6, 8
    place = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"), -1)[None]
    tokens = split_windows(place, 2, shifted=True)[0]
    mask = shifted_mask(2, height, width, place.device)
    apart = (tokens[:, :, None] - tokens[:, None]).abs().amax(-1)
    assert (apart[mask] < 4).all()
    assert (apart[~mask] >= 3).all()
    assert (~mask).any()


def test_odd_feature_maps_are_refused():
    with pytest.raises(ShapeError, match="even"):
        MultiViewTransformer(16, 1)(
            torch.zeros(1, 1, 16, 5, 6), torch.zeros(1, 1, 1).long(), torch.zeros(1, 1, 1, dtype=torch.bool)
        )
