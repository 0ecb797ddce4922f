import pytest
import torch

from streammtl.errors import ConfigError, ShapeError
from streammtl.losses.multi_task import multi_task_loss
from streammtl.views import ViewBatch

B, V, H, W = 2, 3, 4, 5


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def batch(rng):
    return ViewBatch(
        images=torch.rand(B, V, 3, H, W, generator=rng),
        K=torch.eye(3).expand(B, V, 3, 3),
        T_world_cam=torch.eye(4, dtype=torch.float64).expand(B, V, 4, 4),
        view_mask=torch.ones(B, V, dtype=torch.bool),
        near_m=torch.full((B,), 0.5),
        far_m=torch.full((B,), 10.0),
        targets={
            "depth": 1 + torch.rand(B, V, 1, H, W, generator=rng),
            "boundaries": (torch.rand(B, V, 1, H, W, generator=rng) > 0.5).float(),
        },
        valid={"depth": torch.rand(B, V, 1, H, W, generator=rng) > 0.5},
    )


@pytest.fixture
def raw(rng):
    channels = {"depth": 1, "boundaries": 1, "normals": 3}
    return {name: torch.randn(B, V, c, H, W, generator=rng).requires_grad_() for name, c in channels.items()}


def test_each_task_is_one_mean_over_the_valid_pixels_of_all_views(batch, raw):
    loss = multi_task_loss(raw, batch)
    depth = (raw["depth"].exp() - batch.targets["depth"])[batch.valid["depth"]].abs().mean()
    torch.testing.assert_close(loss.tasks["depth"], depth)
    torch.testing.assert_close(loss.total, loss.tasks["depth"] + 50 * loss.tasks["boundaries"])
    assert set(loss.tasks) == {"depth", "boundaries"}


def test_a_pixel_weighs_the_same_in_a_view_with_few_labels_as_in_one_with_many(batch, raw):
    batch.valid["depth"][:] = False
    batch.valid["depth"][0, 0] = True
    batch.valid["depth"][1, 2, 0, 0, 0] = True
    errors = (raw["depth"].exp() - batch.targets["depth"]).abs()[batch.valid["depth"]]
    assert errors.numel() == H * W + 1
    torch.testing.assert_close(multi_task_loss(raw, batch).tasks["depth"], errors.mean())


def test_an_absent_task_gets_no_gradient_on_its_head(batch, raw):
    multi_task_loss(raw, batch).total.backward()
    assert raw["normals"].grad is None
    assert raw["depth"].grad is not None


def test_a_task_whose_mask_is_false_everywhere_is_absent(batch, raw):
    batch.valid["depth"][:] = False
    loss = multi_task_loss(raw, batch)
    loss.total.backward()
    assert "depth" not in loss.tasks and raw["depth"].grad is None


def test_views_that_are_padding_do_not_count(batch, raw):
    batch.view_mask[:, 1:] = False
    only_reference = {name: values[:, 0] for name, values in raw.items()}
    torch.testing.assert_close(multi_task_loss(raw, batch).total, multi_task_loss(only_reference, batch).total)
    multi_task_loss(raw, batch).total.backward()
    assert raw["depth"].grad[:, 1:].abs().max() == 0


def test_a_batch_without_labels_has_no_loss(batch, raw):
    batch.targets.clear()
    assert multi_task_loss(raw, batch).total is None


def test_the_order_of_tasks_does_not_matter(batch, raw):
    reverse = dict(reversed(raw.items()))
    torch.testing.assert_close(multi_task_loss(raw, batch).total, multi_task_loss(reverse, batch).total)


def test_weights_can_be_replaced_and_unknown_ones_are_refused(batch, raw):
    loss = multi_task_loss(raw, batch, {"boundaries": 0.0})
    torch.testing.assert_close(loss.total, loss.tasks["depth"])
    with pytest.raises(ConfigError, match="smell"):
        multi_task_loss(raw, batch, {"smell": 1.0})


def test_labels_of_another_size_are_refused(batch, raw):
    batch.targets["depth"] = batch.targets["depth"][..., :-1]
    with pytest.raises(ShapeError, match="depth"):
        multi_task_loss(raw, batch)
