import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from streammtl.crossview.settings import CrossViewSettings
from streammtl.decoders.pyramid_decoder import PyramidDecoder
from streammtl.encoders.tiny import TinyEncoder
from streammtl.errors import CheckpointError, DepthRangeError, ShapeError
from streammtl.models.cross_view_mtl import CrossViewMtl
from streammtl.models.cvm import build_network, laplace_confidence
from streammtl.models.network_settings import LITE, NetworkSettings
from streammtl.models.registry import build_model
from streammtl.models.settings import ModelSettings
from streammtl.views import ScaleStatus

UNTRAINED = ModelSettings(name="cvm-lite", allow_untrained=True)


@pytest.fixture(scope="module")
def cvm_lite():
    return build_model(UNTRAINED)


def make_batch(scenes, xs=(0.0, -0.15, 0.15)):
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(x=x) for x in xs], size=(96, 128), focal=110.0)
    return batch


def test_untrained_weights_are_refused_with_the_remedy():
    with pytest.raises(CheckpointError, match=r"model\.allow_untrained=true"):
        build_model(ModelSettings(name="cvm"))


def test_outputs_are_final_quantities_at_image_size(cvm_lite, scenes):
    batch = make_batch(scenes)
    outputs = cvm_lite.predict(batch)
    values = outputs.values
    assert set(values) == set(cvm_lite.tasks) == {"depth", "semantics", "normals", "boundaries"}
    assert values["depth"].shape == outputs.confidence.shape == (1, 1, 96, 128)
    assert (values["depth"] > 0).all()
    assert values["semantics"].shape == (1, 40, 96, 128)
    torch.testing.assert_close(values["semantics"].sum(1), torch.ones(1, 96, 128))
    torch.testing.assert_close(values["normals"].norm(dim=1), torch.ones(1, 96, 128))
    v, u = np.mgrid[:96, :128]
    rays = torch.from_numpy(np.stack((u, v, np.ones_like(u)))).float()
    rays = torch.einsum("ij,jhw->ihw", torch.linalg.inv(batch.K[0, 0]), rays)
    assert ((values["normals"][0] * rays).sum(0) <= 1e-6).all()
    assert ((values["boundaries"] >= 0) & (values["boundaries"] <= 1)).all()
    assert ((outputs.confidence >= 0) & (outputs.confidence <= 1)).all()
    assert outputs.scale_status is ScaleStatus.METRIC


def test_a_single_image_is_enough(cvm_lite, scenes):
    outputs = cvm_lite.predict(make_batch(scenes, (0.0,)))
    assert all(torch.isfinite(value).all() for value in outputs.values.values())


def test_neighbours_change_the_prediction(cvm_lite, scenes):
    single, multi = (cvm_lite.predict(make_batch(scenes, xs)) for xs in ((0.0,), (0.0, -0.15)))
    assert (single.values["depth"] - multi.values["depth"]).abs().max() > 1e-4


def test_the_same_settings_give_the_same_bits_and_another_seed_does_not(cvm_lite, scenes):
    batch = make_batch(scenes)
    expected = cvm_lite.predict(batch).values["depth"]
    torch.manual_seed(99)  # whatever ran before must not matter
    assert torch.equal(build_model(UNTRAINED).predict(batch).values["depth"], expected)
    other = build_model(UNTRAINED.model_copy(update={"seed": 1}))
    assert not torch.equal(other.predict(batch).values["depth"], expected)


def test_it_stays_small(cvm_lite):
    assert sum(p.numel() for p in cvm_lite.network.parameters()) < 12_000_000


def test_unfit_sizes_and_ranges_are_refused(cvm_lite, scenes):
    batch = make_batch(scenes)
    batch.near_m = torch.tensor([0.04])
    with pytest.raises(DepthRangeError):
        cvm_lite.predict(batch)
    batch.images = batch.images[..., :100]
    with pytest.raises(ShapeError, match="16"):
        cvm_lite.predict(batch)


def test_saved_weights_are_loaded_again(cvm_lite, scenes, tmp_path):
    other = build_network(UNTRAINED.model_copy(update={"seed": 5}), LITE)
    save_file({name: tensor.contiguous() for name, tensor in other.state_dict().items()}, tmp_path / "w.safetensors")
    loaded = build_model(ModelSettings(name="cvm-lite", weights=tmp_path / "w.safetensors"))
    batch = make_batch(scenes)
    expected = build_model(UNTRAINED.model_copy(update={"seed": 5})).predict(batch).values["depth"]
    assert torch.equal(loaded.predict(batch).values["depth"], expected)
    with pytest.raises(CheckpointError, match="32 planes"):
        build_model(ModelSettings(name="cvm-lite", weights=tmp_path / "w.safetensors", num_planes=32))


def test_confidence_is_the_probability_of_a_small_error():
    scale = 0.07
    draws = torch.distributions.Laplace(0.0, scale).sample((200_000,))
    share = (draws.abs() < np.log(1.05)).float().mean()
    torch.testing.assert_close(laplace_confidence(torch.tensor(scale).log()), share, atol=5e-3, rtol=0)


@pytest.mark.parametrize("tasks", [("depth",), ("normals", "depth", "semantics")])
def test_any_set_of_tasks_runs_on_any_encoder_and_trains(tasks, scenes):
    torch.manual_seed(0)
    settings = NetworkSettings(cross_view=CrossViewSettings(num_planes=16, channels=16), decoder_width=16)
    network = CrossViewMtl(TinyEncoder(), tasks, settings)
    torch.nn.init.normal_(network.depth_head.choice.residual.weight, std=0.1)
    torch.nn.init.normal_(network.cross_view.transformer.adapter.out.weight, std=0.1)
    outputs = network(make_batch(scenes))
    assert tuple(sorted(outputs.raw)) == tuple(sorted(tasks))
    loss = sum(raw.square().mean() for raw in outputs.raw.values()) + outputs.log_depth_scale.square().mean()
    loss.backward()
    unused = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is None}
    assert unused <= {"encoder"}  # its finest level is finer than the decoder's output
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


def test_fresh_depth_lies_between_near_and_far(cvm_lite, scenes):
    batch = make_batch(scenes)
    depth = cvm_lite.predict(batch).values["depth"]
    assert ((depth >= 0.6) & (depth <= 6.0)).all()


def test_a_decoder_needs_the_strides_it_works_at():
    with pytest.raises(ShapeError, match="strides"):
        PyramidDecoder(("depth",), (8, 8), (2, 4), 16)
