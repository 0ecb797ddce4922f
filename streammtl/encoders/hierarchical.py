"""Backbones of timm that are pyramids themselves: ConvNeXt, MobileNetV4, EfficientNet, SAM 2's Hiera."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from streammtl.encoders.pyramid import Encoder
from streammtl.encoders.timm_backbone import backbone_statistics, create_backbone


class HierarchicalEncoder(Encoder):
    """All stages of a timm model that gives one map per stage, fine to coarse.

    Raises: CheckpointError for weights that cannot be had.
    """

    def __init__(self, name: str, pretrained: bool = False, **timm_options: Any) -> None:
        backbone = create_backbone(name, pretrained, features_only=True, **timm_options)
        super().__init__(*backbone_statistics(backbone))
        self.backbone = backbone
        self.strides = tuple(backbone.feature_info.reduction())
        self.channels = tuple(backbone.feature_info.channels())
        self.size_multiple = max(self.strides)

    def levels(self, normalised: Tensor) -> list[Tensor]:
        return self.backbone(normalised)
