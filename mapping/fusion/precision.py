"""The number types that a map keeps on disk; memory adopts exactly these values at every checkpoint."""

from __future__ import annotations

import numpy as np

from mapping.records import Blocks

STORED_TYPES = {
    "block_index": np.dtype(np.int32),
    "tsdf": np.dtype(np.float16),
    "weight": np.dtype(np.float16),
    "colour": np.dtype(np.uint8),
    "label_ids": np.dtype(np.uint8),
    "label_weights": np.dtype(np.float16),
}


def to_stored(blocks: Blocks) -> dict[str, np.ndarray]:
    """The arrays of `blocks` in the types of STORED_TYPES, keyed by array name in the store."""
    arrays = {
        "block_index": blocks.index,
        "tsdf": blocks.tsdf,
        "weight": blocks.weight,
        "colour": blocks.colour,
        "label_ids": blocks.label_ids,
        "label_weights": blocks.label_weights,
    }
    return {name: np.asarray(array).astype(STORED_TYPES[name]) for name, array in arrays.items()}


def from_stored(arrays: dict[str, np.ndarray]) -> Blocks:
    """Blocks from arrays as `to_stored` gives them. `from_stored(to_stored(b))` changes nothing when applied twice."""
    return Blocks(
        index=np.asarray(arrays["block_index"], np.int32),
        tsdf=np.asarray(arrays["tsdf"]).astype(np.float32),
        weight=np.asarray(arrays["weight"]).astype(np.float32),
        colour=np.asarray(arrays["colour"], np.uint8),
        label_ids=np.asarray(arrays["label_ids"], np.uint8),
        label_weights=np.asarray(arrays["label_weights"]).astype(np.float32),
    )
