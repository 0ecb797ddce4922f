"""Parts of a network that do not learn."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from streammtl.errors import ConfigError

STAGE_LISTS = ("blocks", "stages", "layers")  # what timm calls the list of stages
STEM = ("conv_stem", "bn1", "stem", "stem_0", "stem_1", "patch_embed")


def freeze_stages(encoder: nn.Module, count: int) -> None:
    """The stem and the first `count` stages of an encoder stop learning: no gradient is computed for them.

    Raises: ConfigError where the encoder has fewer stages, or none that can be told apart.
    """
    if count == 0:
        return
    backbone = getattr(encoder, "backbone", encoder)
    stages = next((getattr(backbone, name) for name in STAGE_LISTS if hasattr(backbone, name)), None)
    numbered = [
        getattr(backbone, name) for name in sorted(dict(backbone.named_children())) if name.startswith("stages_")
    ]
    found = list(stages) if stages is not None else numbered
    if len(found) < count:
        raise ConfigError(
            f"freeze_encoder_stages is {count}; {type(encoder).__name__} has {len(found)} stages that can be frozen. "
            "Set it lower, e.g. 0."
        )
    stem = [getattr(backbone, name) for name in STEM if hasattr(backbone, name)]
    for module in (*stem, *found[:count]):
        module.requires_grad_(False)


def set_training(network: nn.Module, freeze_batch_norm: bool) -> None:
    """Training mode, in which frozen batch normalisation uses its statistics and leaves them as they are."""
    network.train()
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            learns = any(p.requires_grad for p in module.parameters())
            module.train(not freeze_batch_norm and learns)
