import logging

import pytest
import torch
from safetensors.torch import save_file

from streammtl.errors import CheckpointError
from streammtl.models.cvm import build_network
from streammtl.models.matching_start import PART, start_matching_from
from streammtl.models.network_settings import LITE
from streammtl.models.settings import ModelSettings

SETTINGS = ModelSettings(encoder="tiny", num_planes=16, cross_view_channels=16, cross_view_layers=2)


def network_of(**change):
    return build_network(SETTINGS.model_copy(update=change), LITE)


@pytest.fixture
def trained(tmp_path):
    """A network of other planes and another seed, its file, and the file of its module alone."""
    network = network_of(seed=7, num_planes=24)
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, tmp_path / "whole.safetensors")
    save_file({k: v.contiguous() for k, v in network.cross_view.state_dict().items()}, tmp_path / "part.safetensors")
    return network, tmp_path


@pytest.mark.parametrize("name", ["whole", "part"])
def test_the_module_starts_from_the_file_and_nothing_else_does(trained, name, caplog):
    source, folder = trained
    fresh = network_of()
    with caplog.at_level(logging.INFO):
        network = network_of(matching_weights=folder / f"{name}.safetensors")
    assert "untouched: no_match" in caplog.text
    for key, tensor in network.state_dict().items():
        part, _, rest = key.partition(".")
        if part == PART and rest != "no_match":
            assert torch.equal(tensor, source.state_dict()[key])
        else:
            assert torch.equal(tensor, fresh.state_dict()[key])
    assert not torch.equal(network.cross_view.encoder.out.weight, fresh.cross_view.encoder.out.weight)


def test_whole_weights_win(trained):
    source, folder = trained
    network = network_of(weights=folder / "whole.safetensors", matching_weights=folder / "absent", num_planes=24)
    assert torch.equal(network.cross_view.encoder.out.weight, source.cross_view.encoder.out.weight)


def test_another_module_is_refused(trained, tmp_path):
    _, folder = trained
    with pytest.raises(CheckpointError, match="cross_view_channels"):
        network_of(matching_weights=folder / "whole.safetensors", cross_view_channels=32)
    with pytest.raises(CheckpointError, match="cannot be read"):
        network_of(matching_weights=tmp_path / "absent.safetensors")
    without = network_of(cost_volume=False, cross_view_features=False)
    with pytest.raises(CheckpointError, match="turn it on"):
        start_matching_from(without, folder / "whole.safetensors")


def test_what_matches_views_has_one_name(trained):
    """Optimisers tell groups by it: own CNN, LoRA and adapters, transformer, cost volume and upsampling."""
    network, _ = trained
    parts = {name.partition(".")[0] for name, _ in network.named_parameters()}
    assert parts == {"encoder", PART, "decoder", "depth_head", "heads"}
