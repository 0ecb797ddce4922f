"""The only file that knows diffusers and transformers: networks of a latent diffusion model, published or tiny.

Published ones are read from a local folder in diffusers' layout (unet/, vae/ and, for prompts, tokenizer/ and
text_encoder/); nothing is downloaded, and files that can run code when read are not taken.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from streammtl.errors import CheckpointError, ConfigError
from streammtl.torchvision_shim import ensure_torchvision_importable

LATENT_CHANNELS = 4
# Latents at 1/4 of the image, attention at 1/8: small enough for a CPU, and all that the large ones have.
TINY_VAE = {
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
    "block_out_channels": [8, 16, 32],
    "layers_per_block": 1,
    "latent_channels": LATENT_CHANNELS,
    "norm_num_groups": 4,
    "mid_block_add_attention": False,
    "scaling_factor": 1.0,
}
TINY_UNET = {
    "in_channels": LATENT_CHANNELS,
    "out_channels": LATENT_CHANNELS,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [32, 64],
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "cross_attention_dim": 32,
    "attention_head_dim": 4,
}


def build_vae(folder: Path | None, pretrained: bool) -> nn.Module:
    """AutoencoderKL of a folder, with its weights or seeded ones, or the tiny one.

    Raises: ConfigError, CheckpointError.
    """
    return _build("AutoencoderKL", folder, "vae", TINY_VAE, pretrained)


def build_unet(folder: Path | None, pretrained: bool) -> nn.Module:
    """UNet2DConditionModel of a folder, with its weights or seeded ones, or the tiny one.

    Raises: ConfigError, CheckpointError.
    """
    return _build("UNet2DConditionModel", folder, "unet", TINY_UNET, pretrained)


def widened(unet: nn.Module, channels: int) -> nn.Module:
    """The U-Net with a first convolution that takes so many channels, a multiple of what it took.

    Its weights are repeated and divided by how often, so that repeated inputs give what one gave. Source: StableMTL,
    after Marigold. Raises: ConfigError.
    """
    old = unet.conv_in
    times, rest = divmod(channels, old.in_channels)
    if rest or not times:
        raise ConfigError(f"{channels} input channels are no multiple of the {old.in_channels} of this U-Net.")
    new = nn.Conv2d(channels, old.out_channels, old.kernel_size, old.stride, old.padding)
    with torch.no_grad():
        new.weight.copy_(old.weight.repeat(1, times, 1, 1) / times)
        new.bias.copy_(old.bias)
    unet.conv_in = new
    unet.register_to_config(in_channels=channels)
    return unet


def transformer_blocks(unet: nn.Module) -> list[nn.Module]:
    """Its blocks of spatial attention `attn1`, cross-attention and feed-forward net, in a fixed order."""
    from diffusers.models.attention import BasicTransformerBlock

    return [module for module in unet.modules() if isinstance(module, BasicTransformerBlock)]


def prompt_tokens(folder: Path | None, prompts: Sequence[str]) -> Tensor:
    """f32 [T,n,d]: the folder's CLIP text encoder on prompts, all padded to the longest. Source: StableMTL, A.2.

    Raises: ConfigError without a folder or without transformers; CheckpointError.
    """
    ensure_torchvision_importable()
    try:
        from transformers import CLIPTextModel, CLIPTokenizer
    except ImportError as error:
        raise ConfigError(
            "model.task_prompts needs the package transformers; install it, or leave task tokens to be learned."
        ) from error
    if folder is None:
        raise ConfigError("model.task_prompts needs model.diffusion_folder, whose text encoder reads them.")
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer", local_files_only=True)
        encoder = CLIPTextModel.from_pretrained(
            folder, subfolder="text_encoder", local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} holds no tokenizer/ and text_encoder/ that can be read: {error}") from error
    ids = tokenizer(list(prompts), padding="longest", return_tensors="pt").input_ids
    with torch.no_grad():
        return encoder.eval()(ids)[0].float()


def _build(kind: str, folder: Path | None, part: str, tiny: dict[str, Any], pretrained: bool) -> nn.Module:
    model = getattr(_diffusers(), kind)
    if folder is None:
        return model(**tiny)
    try:
        if pretrained:
            return model.from_pretrained(folder, subfolder=part, local_files_only=True, use_safetensors=True).float()
        return model.from_config(json.loads((folder / part / "config.json").read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{folder}/{part} cannot be read as {kind} ({error}); model.diffusion_folder is a local folder in "
            "diffusers' layout, with config.json and safetensors weights in unet/ and vae/."
        ) from error


def _diffusers() -> Any:
    ensure_torchvision_importable()
    try:
        import diffusers
    except ImportError as error:
        raise ConfigError("StableMTL needs the package diffusers; pip install 'streammtl[stablemtl]'.") from error
    return diffusers
