"""The one place that creates timm models."""

from __future__ import annotations

from typing import Any

from torch import nn

from streammtl.errors import CheckpointError
from streammtl.torchvision_shim import ensure_torchvision_importable


def create_backbone(name: str, pretrained: bool, **options: Any) -> nn.Module:
    """timm's model of that name; pretrained weights come through timm's own loader and its cache.

    Raises: CheckpointError where the weights cannot be had.
    """
    ensure_torchvision_importable()
    import timm  # late: it takes two seconds, which models without it should not pay

    if not pretrained:
        return timm.create_model(name, pretrained=False, **options)
    try:
        return timm.create_model(name, pretrained=True, **options)
    except Exception as error:  # hub clients raise errors of several libraries, which change with their versions
        raise CheckpointError(
            f"the pretrained weights of encoder {name} could not be loaded ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else 'no message'}). They come from a model hub: connect to a "
            "network (some need a licence accepted and a token), copy timm's cache from a machine that has them, "
            "name trained weights as model.weights, or start without with model.pretrained_encoder=false."
        ) from error


def backbone_statistics(backbone: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation that timm records for a model's input."""
    config = backbone.pretrained_cfg
    return tuple(config["mean"]), tuple(config["std"])
