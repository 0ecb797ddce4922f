"""stablemtl and stablemtl-single as models."""

import pytest
import torch
from safetensors.torch import save_file

from streammtl.errors import CheckpointError
from streammtl.models.registry import build_model, model_class
from streammtl.models.settings import ModelSettings
from streammtl.models.stablemtl import depth_confidence
from streammtl.views import ScaleStatus

FOUR = ("depth", "normals", "semantics", "optical_flow")


def settings(name="stablemtl", **more):
    return ModelSettings(name=name, height=32, width=48, device="cpu", precision="fp32", **more)


@pytest.mark.parametrize("name", ["stablemtl", "stablemtl-single"])
def test_untrained_weights_and_an_autoencoder_alone_are_refused(latent, name, tmp_path):
    with pytest.raises(CheckpointError, match="noise"):
        build_model(settings(name))
    state = latent.network(FOUR).state_dict()
    save_file({key: value for key, value in state.items() if key.startswith("vae.")}, tmp_path / "vae.safetensors")
    with pytest.raises(CheckpointError, match="noise"):
        build_model(settings(name, weights=tmp_path / "vae.safetensors", allow_untrained=True))


def test_a_model_predicts_relative_depth_and_the_tasks_its_weights_know(latent, tmp_path):
    save_file(latent.network(FOUR).state_dict(), tmp_path / "stage1.safetensors")
    given = {"weights": tmp_path / "stage1.safetensors"}
    single, multi = build_model(settings("stablemtl-single", **given)), build_model(settings(**given))
    assert multi.tasks == single.tasks == tuple(sorted(FOUR))
    batch = latent.batch()
    outputs, same = single.predict(batch), multi.predict(batch)
    assert set(outputs.values) == {"depth", "normals", "semantics"}  # flow needs the next frame
    assert set(single.predict(latent.batch(next_frames=True)).values) == set(FOUR)
    for task, value in outputs.values.items():
        assert torch.equal(value, same.values[task])  # stage 2 begins as stage 1
        assert value.shape[0] == 2 and value.shape[-2:] == latent.size
    depth = outputs.values["depth"]
    assert depth.min() >= 0 and depth.max() <= 1 and outputs.confidence.shape == depth.shape
    rays = torch.linalg.inv(batch.K[0, 0]) @ torch.tensor([10.0, 20.0, 1.0])
    assert (outputs.values["normals"][0, :, 20, 10] * rays).sum() <= 1e-6
    assert outputs.scale_status is ScaleStatus.UP_TO_SCALE
    again = multi.predict(batch)
    assert torch.equal(again.values["depth"], same.values["depth"])


def test_relative_depth_has_to_be_fitted_and_no_labels_of_a_map_come_from_colours():
    assert model_class("stablemtl").relative_depth and not model_class("cvm-lite").relative_depth
    assert model_class("stablemtl").label_space is None


def test_confidence_is_full_where_a_depth_picture_is_grey_and_none_at_its_ends():
    picture = torch.zeros(1, 3, 1, 4)
    picture[0, :, 0, 1] = torch.tensor([0.25, 0.0, 0.0])
    picture[0, :, 0, 2] = torch.tensor([0.6, -0.6, 0.0])
    picture[0, :, 0, 3] = 1.0
    assert depth_confidence(picture).flatten().tolist() == [1, 0.5, 0, 0]
