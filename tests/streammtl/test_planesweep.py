import numpy as np
import pytest
import torch

from streammtl.errors import DepthRangeError, ShapeError
from streammtl.models.registry import build_model
from streammtl.models.settings import ModelSettings
from streammtl.views import ScaleStatus, ViewBatch


@pytest.fixture(scope="module")
def planesweep():
    return build_model(ModelSettings(name="planesweep"))


def maps(outputs):
    return outputs.values["depth"][0, 0].numpy(), outputs.confidence[0, 0].numpy()


def relative_error(depth, truth):
    return np.abs(depth - truth) / truth


def stacked(first: ViewBatch, second: ViewBatch) -> ViewBatch:
    names = ("images", "K", "T_world_cam", "view_mask", "near_m", "far_m")
    return ViewBatch(*(torch.cat((getattr(first, name), getattr(second, name))) for name in names))


def with_padding(batch: ViewBatch, count: int) -> ViewBatch:
    """The batch with views of rubbish appended and masked out."""

    def grown(x, fill):
        return torch.cat((x, torch.full_like(x[:, :1], fill).repeat_interleave(count, 1)), 1)

    nan = float("nan")
    return ViewBatch(
        grown(batch.images, nan), grown(batch.K, nan), grown(batch.T_world_cam, nan), grown(batch.view_mask, False),
        batch.near_m, batch.far_m,
    )  # fmt: skip


def test_a_tilted_plane_is_recovered_within_two_percent(planesweep, scenes):
    batch, truth = scenes.batch(
        scenes.scene(), [scenes.pose(), scenes.pose(x=-0.15), scenes.pose(x=0.1, y=0.1, yaw=0.05)]
    )
    depth, confidence = maps(planesweep.predict(batch))
    sure = confidence > 0.5
    assert sure.mean() > 0.6
    assert np.quantile(relative_error(depth, truth)[sure], 0.95) < 0.02


def test_two_planes_are_recovered_and_their_gap_stays_empty(planesweep, scenes):
    poses = [scenes.pose(), scenes.pose(x=-0.15), scenes.pose(x=0.15, y=0.05)]
    batch, truth = scenes.batch(scenes.scene(scenes.two_planes), poses, size=(240, 320), focal=275.0)
    depth, confidence = maps(planesweep.predict(batch))
    sure = confidence > 0.5
    for plane in (1.5, 3.0):
        on_plane = sure & (truth == np.float32(plane))
        assert on_plane.sum() > 0.4 * (truth == np.float32(plane)).sum()
        assert np.quantile(relative_error(depth, truth)[on_plane], 0.9) < 0.02
    between = sure & (depth > 1.7) & (depth < 2.6)
    assert between.mean() < 0.01


def test_confidence_orders_pixels_by_accuracy(planesweep, scenes):
    poses = [scenes.pose(), scenes.pose(x=-0.15), scenes.pose(x=0.15)]
    batch, truth = scenes.batch(scenes.scene(scenes.two_planes, contrast=0.08), poses)
    batch.images = (
        batch.images + 0.02 * torch.randn(batch.images.shape, generator=torch.Generator().manual_seed(0))
    ).clamp(0, 1)
    depth, confidence = maps(planesweep.predict(batch))
    order = np.argsort(-confidence.ravel(), kind="stable")
    quarters = [q.mean() for q in np.array_split(relative_error(depth, truth).ravel()[order], 4)]
    assert quarters[0] < quarters[2] < quarters[3]
    assert quarters[1] < quarters[3]


def test_a_wall_without_texture_is_not_trusted(planesweep, scenes):
    batch, _ = scenes.batch(scenes.scene(contrast=0.0), [scenes.pose(), scenes.pose(x=-0.15), scenes.pose(x=0.15)])
    _, confidence = maps(planesweep.predict(batch))
    assert confidence.max() < 0.3


def test_views_from_one_place_are_not_trusted(planesweep, scenes):
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose()])
    _, confidence = maps(planesweep.predict(batch))
    assert confidence.max() < 0.3


def test_without_neighbours_confidence_is_zero_and_depth_within_range(planesweep, scenes):
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose()])
    for lonely in (batch, with_padding(batch, 2)):
        depth, confidence = maps(planesweep.predict(lonely))
        assert depth.shape == (192, 256)
        assert (confidence == 0).all()
        assert ((depth > 0.6) & (depth < 6.0)).all()


def test_a_neighbour_that_looks_away_gives_zero_confidence(planesweep, scenes):
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=0.1)])
    batch.T_world_cam = torch.from_numpy(np.stack([scenes.pose(), scenes.pose(x=0.1, yaw=np.pi)]))[None]
    depth, confidence = maps(planesweep.predict(batch))
    assert np.isfinite(depth).all()
    assert (confidence == 0).all()


def test_padded_views_change_nothing(planesweep, scenes):
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=-0.15)])
    alone, padded = planesweep.predict(batch), planesweep.predict(with_padding(batch, 2))
    assert torch.equal(alone.values["depth"], padded.values["depth"])
    assert torch.equal(alone.confidence, padded.confidence)


def test_a_batch_of_two_equals_two_batches_of_one(planesweep, scenes):
    first, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=-0.15)])
    second, _ = scenes.batch(scenes.scene(scenes.two_planes, seed=3), [scenes.pose(), scenes.pose(y=0.12)])
    second.near_m = torch.tensor([0.9])
    both = planesweep.predict(stacked(first, second))
    for index, single in enumerate((first, second)):
        outputs = planesweep.predict(single)
        assert torch.equal(both.values["depth"][index], outputs.values["depth"][0])
        assert torch.equal(both.confidence[index], outputs.confidence[0])


def test_the_order_of_neighbours_does_not_matter(planesweep, scenes):
    poses = [scenes.pose(), scenes.pose(x=-0.15), scenes.pose(x=0.1, y=0.1)]
    forward, _ = scenes.batch(scenes.scene(), poses)
    backward, _ = scenes.batch(scenes.scene(), [poses[0], poses[2], poses[1]])
    a, b = planesweep.predict(forward), planesweep.predict(backward)
    torch.testing.assert_close(a.values["depth"], b.values["depth"], rtol=1e-4, atol=0)
    torch.testing.assert_close(a.confidence, b.confidence, rtol=0, atol=1e-3)


def test_the_same_batch_gives_the_same_bits(planesweep, scenes):
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=-0.15), scenes.pose(x=0.15)])
    images = batch.images.clone()
    a, b = planesweep.predict(batch), planesweep.predict(batch)
    assert torch.equal(a.values["depth"], b.values["depth"])
    assert torch.equal(a.confidence, b.confidence)
    assert torch.equal(batch.images, images)


def test_depth_is_in_the_unit_of_the_poses(planesweep, scenes):
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=-0.15)])
    metres = planesweep.predict(batch)
    batch.T_world_cam = batch.T_world_cam.clone()
    batch.T_world_cam[..., :3, 3] /= 16
    batch.near_m, batch.far_m = batch.near_m / 16, batch.far_m / 16  # below 5 cm, were these metres
    small = planesweep.predict(batch)
    assert metres.scale_status is ScaleStatus.UP_TO_SCALE
    torch.testing.assert_close(small.values["depth"] * 16, metres.values["depth"], rtol=1e-3, atol=0)


def test_malformed_batches_are_refused(planesweep, scenes):
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=-0.15)])
    batch.far_m = torch.tensor([0.5])
    with pytest.raises(DepthRangeError, match="empty"):
        planesweep.predict(batch)
    batch.far_m = torch.tensor([6.0])
    batch.view_mask = torch.tensor([[False, True]])
    with pytest.raises(ShapeError, match="view 0"):
        planesweep.predict(batch)
    batch.view_mask = torch.ones(1, 3, dtype=torch.bool)
    with pytest.raises(ShapeError, match="view_mask"):
        planesweep.predict(batch)
