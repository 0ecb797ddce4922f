"""Vision transformers of timm as feature pyramids: DINOv2, DINOv3, RADIO."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from streammtl.encoders.pyramid import Encoder
from streammtl.encoders.timm_backbone import backbone_statistics, create_backbone
from streammtl.errors import ConfigError

NUM_LEVELS = 4


class VisionTransformerEncoder(Encoder):
    """Token maps after some of the blocks, all of one stride and width, normalised as the last ones are.

    `levels` counts blocks from 0; by default the ends of four equal stretches: [5,11,17,23] of 24 blocks, [2,5,8,11]
    of 12. Class and register tokens never enter the maps; the class token of the last level is the summary.
    Source: the papers of DINOv2 (2304.07193), DINOv3 (2508.10104) and RADIO (2312.06709), by way of timm.
    Raises: ConfigError for levels that the model lacks; CheckpointError for weights that cannot be had.
    """

    def __init__(
        self, name: str, pretrained: bool = False, block_levels: tuple[int, ...] | None = None, **timm_options: Any
    ) -> None:
        backbone = create_backbone(name, pretrained, num_classes=0, dynamic_img_size=True, **timm_options)
        super().__init__(*backbone_statistics(backbone))
        self.backbone = backbone
        count = len(backbone.blocks)
        self.block_levels = block_levels or tuple(count * (i + 1) // NUM_LEVELS - 1 for i in range(NUM_LEVELS))
        if list(self.block_levels) != sorted(set(self.block_levels)) or not 0 <= self.block_levels[0] <= count - 1:
            raise ConfigError(f"encoder levels {self.block_levels} are not ascending block numbers of {name}.")
        if self.block_levels[-1] >= count:
            raise ConfigError(f"encoder levels {self.block_levels} go beyond the {count} blocks of {name} (0 first).")
        self.size_multiple = backbone.patch_embed.patch_size[0]
        self.strides = (self.size_multiple,) * len(self.block_levels)
        self.channels = (backbone.embed_dim,) * len(self.block_levels)

    def encode(self, normalised: Tensor) -> tuple[list[Tensor], Tensor | None]:
        has_prefix = self.backbone.num_prefix_tokens > 0
        taken = self.backbone.forward_intermediates(
            normalised,
            indices=list(self.block_levels),
            norm=True,
            output_fmt="NCHW",
            return_prefix_tokens=has_prefix,
            intermediates_only=True,
        )
        if not has_prefix:
            return taken, None
        return [maps for maps, _ in taken], taken[-1][1][:, 0]

    def levels(self, normalised: Tensor) -> list[Tensor]:
        return self.encode(normalised)[0]
