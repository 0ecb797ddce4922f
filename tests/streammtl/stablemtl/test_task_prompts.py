"""Task tokens from a text encoder: a tiny one of CLIP's make, in the layout that Stable Diffusion's folder has."""

import json
import string

import pytest
import torch

from streammtl.errors import ConfigError
from streammtl.stablemtl.diffusion import build_unet, build_vae, prompt_tokens

TASKS = ("depth", "optical_flow", "normals")


@pytest.fixture
def folder(tmp_path):
    pytest.importorskip("diffusers")
    unet = build_unet(None, False)  # also makes torchvision importable where its own build does not fit torch's
    transformers = pytest.importorskip("transformers")
    letters = list(string.ascii_lowercase)
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    vocabulary, merges = tmp_path / "vocab.json", tmp_path / "merges.txt"
    vocabulary.write_text(json.dumps({word: number for number, word in enumerate(words)}))
    merges.write_text("#version: 0.2\n")
    transformers.CLIPTokenizer(str(vocabulary), str(merges)).save_pretrained(tmp_path / "tokenizer")
    settings = transformers.CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=unet.config.cross_attention_dim,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    torch.manual_seed(0)
    transformers.CLIPTextModel(settings).save_pretrained(tmp_path / "text_encoder")
    unet.save_pretrained(tmp_path / "unet")
    build_vae(None, False).save_pretrained(tmp_path / "vae")
    return tmp_path


def test_prompts_are_padded_to_the_longest_and_begin_as_they_would_alone(folder):
    both = prompt_tokens(folder, ["depth", "normals"])
    alone = prompt_tokens(folder, ["depth"])
    assert both.shape[:2] == (2, len("normals") + 2)  # a letter a token here, a mark at each end
    torch.testing.assert_close(both[0, : alone.shape[1]], alone[0])
    assert not torch.allclose(both[0], both[1])


def test_a_network_starts_from_the_prompts_of_its_tasks_and_tells_them_apart(latent, folder):
    network = latent.network(TASKS, diffusion_folder=folder, task_prompts=True).eval()
    told = prompt_tokens(folder, ["depth", "optical flow", "normals"])
    for task, tokens in zip(TASKS, told, strict=True):
        assert torch.equal(network.state_dict()[f"main.tokens.{task}"], tokens)
    learnt = latent.network(TASKS, diffusion_folder=folder)
    assert learnt.state_dict()["main.tokens.depth"].shape != told[0].shape


def test_prompts_without_a_folder_say_what_they_need(latent):
    pytest.importorskip("transformers")
    with pytest.raises(ConfigError, match="diffusion_folder"):
        latent.network(TASKS, task_prompts=True)
