import numpy as np
import pytest
import torch

from streammtl.crossview.cost_volume import build_cost_volume, view_scores
from streammtl.crossview.hypotheses import depth_hypotheses
from streammtl.crossview.patches import patch_features, to_grey
from streammtl.crossview.warp import sweep_geometry
from streammtl.errors import ConfigError, ShapeError
from streammtl.geometry import resize_intrinsics
from streammtl.views import ViewBatch


def make_batch(scenes, views: int = 3, samples: int = 1) -> ViewBatch:
    poses = [scenes.pose(), scenes.pose(x=-0.2, yaw=0.1), scenes.pose(y=0.1, z=0.4), scenes.pose(x=0.3, z=-0.2)][:views]
    batch, _ = scenes.batch(scenes.scene(), poses, size=(48, 64), focal=60.0)
    names = ("images", "K", "T_world_cam", "view_mask", "near_m", "far_m")
    return ViewBatch(*(torch.cat([getattr(batch, n)] * samples) for n in names))


def random_features(batch: ViewBatch, channels: int = 5, size: tuple[int, int] = (12, 16)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(*batch.view_mask.shape, channels, *size, generator=generator)


def slow_cost_volume(features, batch, hypotheses):
    """Pixel by pixel, in numpy and float64: scores and number of views, each [B,L,h,w]."""
    B, V, C, h, w = features.shape
    K = resize_intrinsics(batch.K.double(), tuple(batch.images.shape[-2:]), (h, w)).numpy()
    T, F = batch.T_world_cam.numpy(), features.double().numpy()
    scores, views = np.zeros((2, B, hypotheses.shape[1], h, w))
    for b, plane, y, x in np.ndindex(scores.shape):
        point = np.linalg.inv(K[b, 0]) @ [x, y, 1] * float(hypotheses[b, plane])
        for v in range(1, V):
            if not batch.view_mask[b, v]:
                continue
            seen = np.linalg.inv(T[b, v]) @ T[b, 0] @ [*point, 1]
            if seen[2] <= 1e-3 * float(hypotheses[b, plane]):
                continue
            u, t, _ = K[b, v] @ seen[:3] / seen[2]
            if not (0 <= u <= w - 1 and 0 <= t <= h - 1):
                continue
            u0, t0 = min(int(u), w - 2), min(int(t), h - 2)
            fu, ft = u - u0, t - t0
            corner = F[b, v, :, t0 : t0 + 2, u0 : u0 + 2]
            sampled = np.einsum("cij,i,j->c", corner, [1 - ft, ft], [1 - fu, fu])
            scores[b, plane, y, x] += F[b, 0, :, y, x] @ sampled / np.sqrt(C)
            views[b, plane, y, x] += 1
    return scores / np.maximum(views, 1), views


@pytest.mark.parametrize("method", ["boxes", "all_pairs", "per_plane", "auto"])
def test_fast_paths_equal_the_slow_reference(scenes, method):
    batch = make_batch(scenes, views=4, samples=2)
    batch.view_mask[1, 2] = False
    batch.near_m[1] = 0.3  # some planes lie behind the view that is 40 cm ahead
    features = random_features(batch)
    hypotheses = depth_hypotheses(batch.near_m, batch.far_m, 6)
    geometry = sweep_geometry(batch, (12, 16))
    volume = build_cost_volume(features[:, 0], features[:, 1:], geometry, hypotheses, method)
    scores, views = slow_cost_volume(features, batch, hypotheses)
    disagree = volume.views.numpy() != views  # a point within rounding of the border may count or not
    assert disagree.mean() < 1e-3
    np.testing.assert_allclose(volume.scores.numpy()[~disagree], scores[~disagree], atol=1e-4)
    assert 0 < (views == 0).mean() < 0.5
    assert torch.equal(volume.valid, volume.views > 0)


def test_all_paths_give_the_same_gradients(scenes):
    batch = make_batch(scenes)
    geometry = sweep_geometry(batch, (12, 16))
    hypotheses = depth_hypotheses(batch.near_m, batch.far_m, 8)
    gradients = []
    for method in ("boxes", "all_pairs", "per_plane"):
        features = random_features(batch).requires_grad_()
        scores = build_cost_volume(features[:, 0], features[:, 1:], geometry, hypotheses, method).scores
        scores.square().sum().backward()
        gradients.append(features.grad)
    for gradient in gradients[:2]:
        torch.testing.assert_close(gradient, gradients[2], atol=1e-4, rtol=1e-4)


def test_from_the_same_pose_all_planes_are_equal(scenes):
    batch = make_batch(scenes, views=2)
    batch.T_world_cam[:] = batch.T_world_cam[:, :1].clone()
    features = random_features(batch)
    hypotheses = depth_hypotheses(batch.near_m, batch.far_m, 8)
    volume = build_cost_volume(features[:, 0], features[:, :1], sweep_geometry(batch, (12, 16)), hypotheses)
    inner = volume.scores[..., 1:-1, 1:-1]
    torch.testing.assert_close(inner, inner[:, :1].expand_as(inner), atol=1e-3, rtol=0)
    expected = features[:, 0].square().sum(1, keepdim=True)[..., 1:-1, 1:-1] / features.shape[2] ** 0.5
    torch.testing.assert_close(inner[:, :1], expected, atol=1e-3, rtol=0)


def test_a_known_plane_scores_best_at_its_depth(scenes):
    wall = scenes.scene(((np.array([0.0, 0, 1]), 2.0, np.zeros(3), 1.0),))
    batch, truth = scenes.batch(
        wall, [scenes.pose(), scenes.pose(x=-0.2), scenes.pose(y=0.2)], size=(96, 128), focal=110.0
    )
    features = patch_features(to_grey(batch.images[0]))[None]
    hypotheses = torch.tensor([[0.8, 1.0, 1.3, 1.6, 2.0, 2.6, 3.5, 5.0]])
    volume = build_cost_volume(features[:, 0], features[:, 1:], sweep_geometry(batch, (96, 128)), hypotheses)
    assert (truth == 2.0).all()
    seen_by_both = volume.views[0, 4] == 2
    assert (volume.scores[0].argmax(0)[seen_by_both] == 4).float().mean() > 0.97


def test_points_behind_a_view_do_not_count(scenes):
    batch = make_batch(scenes, views=2)
    batch.T_world_cam[0, 1] = torch.from_numpy(scenes.pose(z=3.0))
    hypotheses = torch.tensor([[1.0, 2.9, 3.5, 6.0]])
    features = random_features(batch)
    volume = build_cost_volume(features[:, 0], features[:, 1:], sweep_geometry(batch, (12, 16)), hypotheses)
    assert not volume.valid[:, :2].any()
    assert (volume.scores[:, :2] == 0).all()
    assert volume.valid[:, 2:].any()


def test_the_order_of_views_does_not_matter(scenes):
    batch = make_batch(scenes, views=4)
    features = random_features(batch)
    hypotheses = depth_hypotheses(batch.near_m, batch.far_m, 8)
    order = torch.tensor([0, 3, 1, 2])
    shuffled = make_batch(scenes, views=4)
    shuffled.T_world_cam = batch.T_world_cam[:, order]
    a = build_cost_volume(features[:, 0], features[:, 1:], sweep_geometry(batch, (12, 16)), hypotheses)
    b = build_cost_volume(features[:, 0], features[:, order[1:]], sweep_geometry(shuffled, (12, 16)), hypotheses)
    torch.testing.assert_close(a.scores, b.scores)
    assert torch.equal(a.views, b.views)


@pytest.mark.parametrize("method", ["boxes", "all_pairs", "per_plane"])
def test_padded_views_have_no_effect(scenes, method):
    batch = make_batch(scenes, views=4)
    features = random_features(batch)
    hypotheses = depth_hypotheses(batch.near_m, batch.far_m, 8)
    batch.view_mask[0, 2] = False
    volume = build_cost_volume(features[:, 0], features[:, 1:], sweep_geometry(batch, (12, 16)), hypotheses, method)
    batch.T_world_cam[0, 2], batch.K[0, 2] = float("nan"), float("nan")
    spoilt = features.clone()
    spoilt[0, 2] = float("nan")
    again = build_cost_volume(spoilt[:, 0], spoilt[:, 1:], sweep_geometry(batch, (12, 16)), hypotheses, method)
    assert torch.equal(volume.scores, again.scores)
    keep = torch.tensor([0, 1, 3])
    fewer = make_batch(scenes, views=3)
    fewer.T_world_cam = batch.T_world_cam[:, keep]
    without = build_cost_volume(
        features[:, 0], features[:, keep[1:]], sweep_geometry(fewer, (12, 16)), hypotheses, method
    )
    assert torch.equal(volume.scores, without.scores)
    assert torch.equal(volume.views, without.views)


def test_wrong_shapes_and_methods_are_refused(scenes):
    batch = make_batch(scenes)
    features = random_features(batch)
    hypotheses = depth_hypotheses(batch.near_m, batch.far_m, 8)
    geometry = sweep_geometry(batch, (12, 16))
    with pytest.raises(ShapeError, match="12x16"):
        view_scores(features[:, 0, :, :6], features[:, 1, :, :6], geometry, 0, hypotheses)
    with pytest.raises(ConfigError, match="per_plane"):
        view_scores(features[:, 0], features[:, 1], geometry, 0, hypotheses, "fastest")
