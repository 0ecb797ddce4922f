import pytest
import torch

from streammtl.crossview.settings import CrossViewSettings
from streammtl.encoders.tiny import TinyEncoder
from streammtl.losses.multi_task import multi_task_loss
from streammtl.models.cross_view_mtl import CrossViewMtl
from streammtl.models.every_view import every_view_first
from streammtl.models.network_settings import NetworkSettings
from streammtl.views import ViewBatch

B, V, SIZE = 2, 3, (64, 96)
TASKS = ("depth", "semantics", "optical_flow")


def make_batch(scenes) -> ViewBatch:
    """Two samples of three views; the second lacks its last one, whose place holds NaN. Labels of two views."""
    first, _ = scenes.batch(scenes.scene(), [scenes.pose(x=x) for x in (0.0, -0.15, 0.25)], size=SIZE, focal=80.0)
    second, _ = scenes.batch(scenes.scene(seed=1), [scenes.pose(z=z) for z in (0.0, 0.2, 0.4)], size=SIZE, focal=80.0)
    names = ("images", "K", "T_world_cam", "view_mask", "near_m", "far_m")
    batch = ViewBatch(*(torch.cat((getattr(first, n), getattr(second, n))) for n in names))
    batch.view_mask[1, 2] = False
    batch.next_images = batch.images.roll(3, -1)
    batch.images[1, 2], batch.T_world_cam[1, 2], batch.K[1, 2] = (float("nan"),) * 3
    generator = torch.Generator().manual_seed(0)
    batch.targets = {
        "depth": 1 + torch.rand(B, 2, 1, *SIZE, generator=generator),
        "semantics": torch.randint(0, 40, (B, V, 1, *SIZE), generator=generator),
    }
    batch.valid = {"depth": torch.rand(B, 2, 1, *SIZE, generator=generator) > 0.5}
    return batch


@pytest.fixture(scope="module", params=["plain", "metadata", "upsampled"])
def network(request) -> CrossViewMtl:
    torch.manual_seed(0)
    change = {"plain": {}, "metadata": {"plane_metadata": True}, "upsampled": {"upsampling": 2}}[request.param]
    cross_view = CrossViewSettings(num_planes=16, channels=16, **change)
    decoder = "levels" if request.param == "upsampled" else "pyramid"
    settings = NetworkSettings(cross_view=cross_view, decoder_width=16, decoder=decoder)
    network = CrossViewMtl(TinyEncoder(), TASKS, settings)
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


@torch.no_grad()
def test_views_together_predict_what_each_predicts_as_reference(network, scenes):
    batch = make_batch(scenes)
    together, apart = network(batch, every_view=True), network(every_view_first(batch))
    assert together.raw["depth"].shape == (B * V, 1, *SIZE)
    for task in TASKS:
        torch.testing.assert_close(together.raw[task], apart.raw[task], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(together.log_depth_scale, apart.log_depth_scale, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(together.cross_view.volume, apart.cross_view.volume, atol=1e-3, rtol=1e-3)
    assert torch.equal(together.cross_view.hypotheses, apart.cross_view.hypotheses)


@torch.no_grad()
def test_the_first_of_every_view_is_the_reference_as_ever(network, scenes):
    batch = make_batch(scenes)
    batch.images = torch.where(batch.view_mask[..., None, None, None], batch.images, 0.0)
    alone, together = network(batch), network(batch, every_view=True)
    for task in TASKS:
        torch.testing.assert_close(together.raw[task][::V], alone.raw[task], atol=1e-4, rtol=1e-4)


def test_labels_follow_their_views(scenes):
    batch = make_batch(scenes)
    turned = every_view_first(batch)
    assert turned.view_mask[:, 0].all()
    assert torch.equal(turned.images[1, 0], batch.images[0, 1])
    assert torch.equal(turned.T_world_cam[2, 0], batch.T_world_cam[0, 2])
    assert torch.equal(turned.next_images[4, 0], batch.next_images[1, 1])
    assert torch.equal(turned.targets["depth"][4, 0], batch.targets["depth"][1, 1])
    assert torch.equal(turned.valid["depth"][1, 0], batch.valid["depth"][0, 1])
    assert turned.valid["semantics"][:5, 0].all()
    assert not turned.valid["depth"][2, 0].any()  # no labels of the third view
    assert not turned.valid["semantics"][5, 0].any()  # not there
    assert turned.view_mask.sum(1).tolist() == [3, 3, 3, 2, 2, 1]
    assert turned.images.isfinite().all()
    assert turned.T_world_cam.isfinite().all()


def test_absent_views_spoil_no_gradient(network, scenes):
    batch = make_batch(scenes)
    network.zero_grad()
    loss = multi_task_loss(network(batch, every_view=True).raw, every_view_first(batch))
    assert set(loss.tasks) == {"depth", "semantics"}
    loss.total.backward()
    learnt = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in learnt)
    assert sum(gradient.abs().sum() for gradient in learnt) > 0


def test_the_loss_counts_every_labelled_pixel_of_every_view_once(scenes):
    batch = make_batch(scenes)
    raw = {"depth": torch.zeros(B * V, 1, *SIZE)}
    turned = every_view_first(batch)
    valid = batch.valid["depth"] & batch.view_mask[:, :2, None, None, None]
    expected = (batch.targets["depth"] - 1).abs()[valid].mean()  # exp(0) is the prediction
    torch.testing.assert_close(multi_task_loss(raw, turned).total, expected)
