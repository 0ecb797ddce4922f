"""One U-Net for all tasks: what goes in, what comes out, what learns."""

import pytest
import torch
from safetensors.torch import save_file

from streammtl.errors import CheckpointError, ConfigError
from streammtl.stablemtl.diffusion import build_unet, widened
from streammtl.stablemtl.regressor import FrameLatents, Stream
from streammtl.stablemtl.wanted import Wanted, every_task, labelled_tasks

THREE = ("depth", "normals", "optical_flow")


def pairs(*given):
    return Wanted(torch.tensor([sample for sample, _ in given]), tuple(task for _, task in given))


def test_two_frame_tasks_see_both_frames_and_the_others_one_of_them_twice():
    first, second = torch.rand(2, 4, 3, 5), torch.rand(2, 4, 3, 5)
    given = FrameLatents(first, second).of(pairs((1, "depth"), (0, "optical_flow")), 12)
    assert torch.equal(given[0], torch.cat((first[1], first[1], torch.zeros(4, 3, 5))))
    assert torch.equal(given[1], torch.cat((first[0], second[0], torch.zeros(4, 3, 5))))
    assert FrameLatents(first, second).of(pairs((0, "depth")), 8).shape == (1, 8, 3, 5)


@pytest.mark.parametrize("channels", [8, 12])
@torch.no_grad()
def test_a_widened_unet_gives_for_repeated_latents_what_it_gave_for_one(channels):
    pytest.importorskip("diffusers")
    torch.manual_seed(0)
    unet = build_unet(None, False).eval()
    latents, token = torch.randn(1, 4, 8, 12), torch.randn(1, 4, unet.config.cross_attention_dim)
    before = unet(latents, 999, encoder_hidden_states=token).sample
    wide = widened(unet, channels)
    after = wide(latents.repeat(1, channels // 4, 1, 1), 999, encoder_hidden_states=token).sample
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)


def test_channels_that_hold_no_two_frames_are_refused():
    pytest.importorskip("diffusers")
    with pytest.raises(ConfigError, match="no multiple"):
        widened(build_unet(None, False), 10)
    with pytest.raises(ConfigError, match="no two frames"):
        Stream(build_unet(None, False), {})


@pytest.mark.parametrize("count", [1, 3])
@torch.no_grad()
def test_tasks_predicted_as_one_batch_are_those_predicted_one_by_one(latent, count):
    tasks = THREE[:count]
    network = latent.network(tasks).eval()
    batch = latent.batch(next_frames=True)
    together = network(batch, every_task(tasks, 2, batch.images.device)).view(count, 2, 4, 8, 12)
    for i, task in enumerate(tasks):
        for sample in range(2):
            alone = network(batch, pairs((sample, task)))
            torch.testing.assert_close(together[i, sample], alone[0], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_tokens_tell_the_tasks_apart_and_pictures_keep_their_size(latent):
    network = latent.network(THREE).eval()
    batch = latent.batch()
    said = network(batch, every_task(THREE, 2, batch.images.device))
    assert not torch.allclose(said[:2], said[2:4], atol=1e-4)
    pictures = network.decoded(said)
    assert pictures.shape == (6, 3, *latent.size) and pictures.abs().max() <= 1
    assert torch.equal(network.encoded(pictures), network.encoded(pictures))


def test_only_the_unet_and_the_wanted_tasks_token_learn(latent):
    network = latent.network(THREE)
    network(latent.batch(), pairs((0, "depth"), (1, "depth"))).square().sum().backward()
    learning = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert "main.tokens.depth" in learning
    assert not learning & {"main.tokens.normals", "main.tokens.optical_flow"}
    assert all(name.startswith("main.") for name in learning)
    assert {name for name, _ in network.named_parameters() if name.startswith("main.unet.conv")} <= learning


def test_pairs_are_the_tasks_that_a_sample_has_labels_of(latent):
    batch = latent.batch(("depth", "normals"))
    batch.valid["normals"][0] = False
    del batch.valid["depth"]
    wanted = labelled_tasks(batch, ("albedo", "normals", "depth"))
    assert wanted.tasks == ("normals", "depth", "depth")
    assert wanted.samples.tolist() == [1, 0, 1]
    assert wanted.rows("depth").tolist() == [1, 2]


def test_seeds_decide_weights_and_weights_files_bring_them(latent, tmp_path):
    network, same, other = latent.network(THREE), latent.network(THREE), latent.network(THREE, seed=1)
    state = network.state_dict()
    assert all(torch.equal(a, b) for a, b in zip(state.values(), same.state_dict().values(), strict=True))
    assert not torch.equal(state["main.tokens.depth"], other.state_dict()["main.tokens.depth"])
    save_file(state, tmp_path / "stage1.safetensors")
    loaded = latent.network(THREE, seed=1, weights=tmp_path / "stage1.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(state.values(), loaded.state_dict().values(), strict=True))
    with pytest.raises(CheckpointError, match="does not fit"):
        latent.network(THREE[:2], weights=tmp_path / "stage1.safetensors")
    with pytest.raises(CheckpointError, match="does not fit"):
        latent.network(THREE, weights=tmp_path / "stage1.safetensors", unet_inputs=12)


def test_an_autoencoder_alone_is_taken_from_a_weights_file(latent, tmp_path):
    network = latent.network(THREE, seed=1)
    vae = {name: tensor for name, tensor in network.state_dict().items() if name.startswith("vae.")}
    save_file(vae, tmp_path / "vae.safetensors")
    loaded = latent.network(THREE, weights=tmp_path / "vae.safetensors").state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in vae.items())
    assert torch.equal(loaded["main.tokens.depth"], latent.network(THREE).state_dict()["main.tokens.depth"])


def test_published_networks_are_read_from_a_local_folder_and_nothing_else_is_tried(latent, tmp_path):
    network = latent.network(THREE, seed=3)
    original = build_unet(None, False)
    original.save_pretrained(tmp_path / "unet")
    network.vae.save_pretrained(tmp_path / "vae")
    read = latent.network(THREE, diffusion_folder=tmp_path)
    assert read.main.channels == 12
    kernel = original.conv_in.weight
    torch.testing.assert_close(read.main.unet.conv_in.weight, kernel.repeat(1, 3, 1, 1) / 3)
    assert torch.equal(read.main.unet.conv_out.weight, original.conv_out.weight)
    assert torch.equal(read.vae.decoder.conv_out.weight, network.vae.decoder.conv_out.weight)
    with pytest.raises(CheckpointError, match="local folder"):
        latent.network(THREE, diffusion_folder=tmp_path / "absent")
    with pytest.raises((ConfigError, CheckpointError), match=r"transformers|tokenizer"):
        latent.network(THREE, diffusion_folder=tmp_path, task_prompts=True)
