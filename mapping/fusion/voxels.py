"""The compact voxels of an open submap, and how the arrays of `Blocks` become such."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mapping.fusion.settings import FusionSettings
from mapping.records import BLOCK_SIZE, Blocks

CELL_SIZE = 4  # voxels a side of the eighths of a block; those that nothing is seen in are passed over
CELL = CELL_SIZE**3
CELLS = (BLOCK_SIZE // CELL_SIZE) ** 3
TSDF_ONE = 1 << 14  # the truncation in units of a stored tsdf
COLOUR_ONE = 4  # a colour level in units of a stored colour
MOST = (1 << 16) - 1  # greatest stored weight
LABEL_MOST = (1 << 8) - 1  # greatest stored label weight
LABEL_SHARE = 0.25  # of the greatest weight of a voxel: what a label can gather before old evidence fades
TSDF, WEIGHT, COLOUR, LABELS = 0, CELL, 2 * CELL, 4 * CELL  # where the parts of a cell begin


class Units(NamedTuple):
    """What a stored 1 stands for. Powers of two, so that what the f16 of the store holds is a whole number of them."""

    weight: float
    label: float


def units_of(settings: FusionSettings) -> Units:
    """Units in which 16 bits reach max_weight, and 8 bits its share for labels."""
    bits = math.ceil(math.log2(settings.max_weight))
    return Units(2.0 ** (bits - 16), LABEL_SHARE * 2.0 ** (bits - 8))


def cell_words(labels: int) -> int:
    """The length of a cell in u16, (4+k)*64: 16 bytes for a voxel with four labels.

    A cell holds tsdf i16 [64], fraction of the truncation times TSDF_ONE; weight u16 [64] in units; colour u32 [64],
    levels times COLOUR_ONE in ten bits each, red lowest; and k label counters u16 [64], id in the low byte, weight in
    units in the high one.
    """
    return LABELS + labels * CELL


def record_words(labels: int) -> int:
    """The length of a block's record in u16: its eight cells, see `voxel_order`."""
    return CELLS * cell_words(labels)


def voxel_order() -> np.ndarray:
    """Coordinates i64 [512,3] within a block of the voxels of a record: cells of 4x4x4 one after the other."""
    return _to_cells(np.indices((BLOCK_SIZE,) * 3).reshape(3, -1)).reshape(3, -1).T


def _to_cells(values: np.ndarray) -> np.ndarray:
    """Values [N*8,64] in the order of records, from [N,512] in the order x * 64 + y * 8 + z."""
    split = (len(values), *(BLOCK_SIZE // CELL_SIZE, CELL_SIZE) * 3)
    return values.reshape(split).transpose(0, 1, 3, 5, 2, 4, 6).reshape(-1, CELL)


def from_blocks(blocks: Blocks, units: Units) -> np.ndarray:
    """The records u16 [N,words] of `blocks`, to the nearest unit."""
    flat, k = (len(blocks), CELLS * CELL), blocks.label_ids.shape[-1]
    cells = np.zeros((len(blocks) * CELLS, cell_words(k)), np.uint16)
    tsdf = np.rint(blocks.tsdf.reshape(flat) * TSDF_ONE).astype(np.int16)
    cells[:, TSDF:WEIGHT] = _to_cells(tsdf).view(np.uint16)
    cells[:, WEIGHT:COLOUR] = _to_cells(_whole(blocks.weight.reshape(flat), units.weight, MOST))
    colour = blocks.colour.reshape(*flat, 3).astype(np.uint32) * np.uint32(COLOUR_ONE)
    colour = colour[..., 0] | colour[..., 1] << 10 | colour[..., 2] << 20
    cells[:, COLOUR:LABELS].view(np.uint32)[:] = _to_cells(colour)
    weights = _whole(blocks.label_weights.reshape(*flat, k), units.label, LABEL_MOST)
    counters = blocks.label_ids.reshape(*flat, k) | weights << np.uint16(8)
    for j in range(k):
        cells[:, LABELS + j * CELL : LABELS + (j + 1) * CELL] = _to_cells(counters[..., j])
    return cells.reshape(len(blocks), record_words(k))


def _whole(weights: np.ndarray, unit: float, most: int) -> np.ndarray:
    return np.minimum(np.rint(weights * np.float32(1 / unit)), most).astype(np.uint16)
