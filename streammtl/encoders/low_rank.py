"""LoRA: an encoder with low-rank changes to its attention, beside the encoder as it is."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.func import functional_call

from streammtl.encoders.pyramid import Encoder, FeaturePyramid
from streammtl.errors import ConfigError

ATTENTION_LINEARS = (".qkv", ".q_proj", ".k_proj", ".v_proj", ".attn.proj")


class LowRankChange(nn.Module):
    """Images to the pyramid of `encoder` with W + (alpha / rank) B A in place of every attention matrix W.

    The encoder itself stays as it is and is not a submodule here, so one encoder serves both readings. B starts at
    zero: the first pyramid is the encoder's own.
    Source: LoRA (arXiv 2106.09685), Eq. 3; rank and alpha 16 as in cross-view MTL (arXiv 2511.20646), Table 5.
    Raises: ConfigError for an encoder without attention.
    """

    def __init__(self, encoder: Encoder, rank: int = 16, alpha: float = 16.0) -> None:
        super().__init__()
        self.scale = alpha / rank
        self.targets = attention_linears(encoder)
        if not self.targets:
            raise ConfigError("LoRA needs an encoder with attention, e.g. vit_small_patch16_dinov3; this one has none.")
        shapes = [encoder.get_parameter(name).shape for name in self.targets]
        self.down = nn.ParameterList(nn.Parameter(torch.empty(rank, inputs)) for _, inputs in shapes)
        self.up = nn.ParameterList(nn.Parameter(torch.zeros(outputs, rank)) for outputs, _ in shapes)
        for matrix in self.down:
            nn.init.kaiming_uniform_(matrix, a=math.sqrt(5))

    def forward(self, encoder: Encoder, images: Tensor) -> FeaturePyramid:
        """The changed encoder's pyramid of images [N,3,H,W]."""
        changed = {
            name: encoder.get_parameter(name) + self.scale * (up @ down)
            for name, down, up in zip(self.targets, self.down, self.up, strict=True)
        }
        return functional_call(encoder, changed, (images,))


def attention_linears(encoder: nn.Module) -> list[str]:
    """Names of the weight matrices of all attention layers."""
    return [
        f"{name}.weight"
        for name, module in encoder.named_modules()
        if isinstance(module, nn.Linear) and name.endswith(ATTENTION_LINEARS)
    ]
