"""Encoders by name."""

from __future__ import annotations

import difflib
from fnmatch import fnmatch

from streammtl.encoders.efficientnet_lite import PACKAGED_WEIGHTS, EfficientNetLiteEncoder
from streammtl.encoders.hierarchical import HierarchicalEncoder
from streammtl.encoders.pyramid import Encoder
from streammtl.encoders.tiny import TinyEncoder
from streammtl.encoders.vision_transformer import VisionTransformerEncoder
from streammtl.errors import ConfigError

TRANSFORMERS = (
    "vit_*_patch16_dinov3*",
    "vit_*_patch14_dinov2*",
    "vit_*_patch14_reg4_dinov2*",
    "vit_*_patch16_radio_*",
    "vit_*_patch16_384",
)
HIERARCHICAL = ("convnext*", "mobilenetv4_*", "sam2_hiera_*", "tf_efficientnet_lite*")


def build_encoder(name: str, pretrained: bool = False, block_levels: tuple[int, ...] | None = None) -> Encoder:
    """The encoder of that name: `tiny`, `tf_efficientnet_lite0`, or a timm model of the families above (a tag such as
    `convnext_tiny.dinov3_lvd1689m` picks its weights). `block_levels`: which blocks of a ViT, from 0; None for four.

    Raises: ConfigError for an unknown name; CheckpointError for weights that cannot be had.
    """
    if name != "tiny" and name.partition(".")[0] not in encoder_names():
        near = difflib.get_close_matches(name, encoder_names(), 1)
        hint = f"did you mean {near[0]!r}?" if near else "see `streammtl models`."
        raise ConfigError(f"encoder {name!r} is unknown; {hint}")
    if any(fnmatch(name, pattern) for pattern in TRANSFORMERS):
        return VisionTransformerEncoder(name, pretrained, block_levels)
    if block_levels is not None:
        raise ConfigError(f"encoder {name!r} has no blocks to choose from; encoder_levels are for vision transformers.")
    if name == "tiny":
        return TinyEncoder()
    if name in PACKAGED_WEIGHTS:
        return EfficientNetLiteEncoder(name, imagenet=pretrained)
    return HierarchicalEncoder(name, pretrained)


def encoder_names() -> tuple[str, ...]:
    """All names that build_encoder takes, tags aside, with the installed timm."""
    from streammtl.torchvision_shim import ensure_torchvision_importable

    ensure_torchvision_importable()
    import timm

    return ("tiny", *sorted({name for family in (*HIERARCHICAL, *TRANSFORMERS) for name in timm.list_models(family)}))
