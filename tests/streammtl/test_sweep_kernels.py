"""The compiled loops of a sweep give what PyTorch gives, and stay out of the way where they cannot."""

import sys

import pytest
import torch

from streammtl.crossview import patch_matching, semi_global
from streammtl.crossview.compiled_loops import compiled_loops
from streammtl.crossview.hypotheses import depth_hypotheses
from streammtl.crossview.patch_matching import UNSEEN_COST, WORST_COST, match_patches
from streammtl.crossview.photometric_sweep import photometric_sweep
from streammtl.crossview.semi_global import smooth_semi_global
from streammtl.crossview.warp import sweep_geometry

SIZE = (12, 16)
FAR_OFF = 40.0  # metres to the side: sees nothing


def without_loops(monkeypatch):
    for user in (patch_matching, semi_global):
        monkeypatch.setattr(user, "compiled_loops", lambda values: None)


def views(scenes, *more, size=(96, 128), focal=110.0):
    """A camera and others: beside it, turned, forwards past the nearest planes."""
    poses = [scenes.pose(), scenes.pose(x=-0.2, yaw=0.3), scenes.pose(y=0.1, z=0.7), *more]
    return scenes.batch(scenes.scene(), poses, size=size, focal=focal)[0]


@pytest.mark.parametrize("channels", [1, 5, 16, 40])
@pytest.mark.parametrize("size", [SIZE, (7, 9)])
def test_matches_are_those_of_the_cost_volume(scenes, monkeypatch, channels, size):
    batch = views(scenes, scenes.pose(x=FAR_OFF))
    geometry, planes = sweep_geometry(batch, size).single(0), depth_hypotheses(batch.near_m, batch.far_m, 9)[0]
    features = torch.randn(4, channels, *size, generator=torch.Generator().manual_seed(1))
    fast = match_patches(features, geometry, planes)
    without_loops(monkeypatch)
    slow = match_patches(features, geometry, planes)
    assert torch.equal(fast.visible, slow.visible) and 0.2 < fast.visible.float().mean() < 0.8
    assert not fast.visible[2].any()
    torch.testing.assert_close(fast.scores, slow.scores, atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(fast.cost, slow.cost, atol=2e-4, rtol=1e-4)
    nobody = ~fast.visible.any(0)
    assert nobody.any() and (fast.cost[nobody] == UNSEEN_COST).all() and fast.cost.max() <= WORST_COST


@pytest.mark.parametrize("shape", [(6, 7, 9), (64, 5, 3), (3, 1, 8), (4, 8, 1), (1, 4, 5)])
def test_smoothing_is_that_of_pytorch(monkeypatch, shape):
    draw = torch.Generator().manual_seed(0)
    cost, guide = torch.rand(shape, generator=draw), torch.rand(shape[1:], generator=draw)
    fast = smooth_semi_global(cost, guide, 0.1, 0.8, 0.2)
    without_loops(monkeypatch)
    torch.testing.assert_close(fast, smooth_semi_global(cost, guide, 0.1, 0.8, 0.2), atol=1e-5, rtol=1e-5)


def test_a_sweep_is_the_same_with_and_without_them_and_with_any_number_of_threads(scenes, monkeypatch):
    batch = views(scenes)
    depth, confidence = photometric_sweep(batch)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        by_one = photometric_sweep(batch)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(by_one[0], depth) and torch.equal(by_one[1], confidence)
    without_loops(monkeypatch)
    slow_depth, slow_confidence = photometric_sweep(batch)
    sure = slow_confidence > 0.1  # elsewhere planes that are as good as each other may change places
    assert sure.float().mean() > 0.5
    torch.testing.assert_close(depth[sure], slow_depth[sure], atol=0, rtol=1e-3)
    torch.testing.assert_close(confidence, slow_confidence, atol=5e-3, rtol=0)


def test_pytorch_does_it_where_they_cannot(monkeypatch):
    plain = torch.zeros(2, 3)
    assert compiled_loops(plain) is not None
    assert compiled_loops(plain.double()) is None and compiled_loops(plain.to("meta")) is None
    assert compiled_loops(plain.clone().requires_grad_()) is None
    monkeypatch.setitem(sys.modules, "streammtl.crossview.sweep_kernels", None)  # as where numba is not installed
    monkeypatch.delattr("streammtl.crossview.sweep_kernels", raising=False)
    assert compiled_loops(plain) is None
