"""What stored blocks must be for a grid to go on from them."""

from __future__ import annotations

import numpy as np

from mapping.fusion.block_index import unique_blocks
from mapping.fusion.settings import FusionSettings
from mapping.records import Blocks
from streammtl.errors import MapError


def check_stored(blocks: Blocks, settings: FusionSettings) -> None:
    """Raises MapError when a block appears twice or the number of labels per voxel is not that of the settings."""
    if len(unique_blocks(np.ascontiguousarray(blocks.index, np.int32))) != len(blocks):
        raise MapError(
            "the same block appears twice among stored blocks; the submap is damaged, map the recording again"
        )
    if blocks.label_ids.shape[-1] != settings.labels_per_voxel:
        raise MapError(
            f"blocks keep {blocks.label_ids.shape[-1]} labels per voxel, fusion.labels_per_voxel is "
            f"{settings.labels_per_voxel}; a map is continued with the settings it was begun with."
        )
