"""Compact voxels against the slow way round, through the arrays that a store keeps."""

import numpy as np
import pytest

from mapping.fusion.precision import from_stored, to_stored
from mapping.fusion.settings import FusionSettings
from mapping.fusion.unpacking import round_to_stored, to_blocks
from mapping.fusion.voxels import (
    CELL,
    CELLS,
    COLOUR,
    LABELS,
    TSDF,
    TSDF_ONE,
    WEIGHT,
    from_blocks,
    record_words,
    units_of,
    voxel_order,
)


def records_of_everything(labels: int) -> np.ndarray:
    """Records u16 [256,words] in which every tsdf and every weight occurs, with random colours and labels."""
    rng = np.random.default_rng(0)
    records = np.zeros((256, record_words(labels)), np.uint16)
    cells = records.reshape(256 * CELLS, -1)
    every = rng.permutation(1 << 16).reshape(-1, CELL)
    tsdf = every.astype(np.uint16).view(np.int16).clip(-TSDF_ONE, TSDF_ONE)
    cells[:, TSDF:WEIGHT] = np.tile(tsdf.view(np.uint16), (2, 1))
    cells[:, WEIGHT:COLOUR] = np.tile(every, (2, 1))
    channels = rng.integers(0, 1021, (3, len(cells), CELL)).astype(np.uint32)
    cells[:, COLOUR:LABELS].view(np.uint32)[:] = channels[0] | channels[1] << 10 | channels[2] << 20
    counters = rng.integers(1, 1 << 16, (len(cells), labels * CELL))
    cells[:, LABELS:] = np.where(rng.random(counters.shape) < 0.3, 0, counters)
    return records


@pytest.mark.parametrize("settings", [FusionSettings(), FusionSettings(labels_per_voxel=1, max_weight=2048.0)])
def test_rounding_in_place_is_the_way_through_the_store_and_back(settings):
    records, units = records_of_everything(settings.labels_per_voxel), units_of(settings)
    slots = np.random.default_rng(1).permutation(256).astype(np.int32)[:200]
    coordinates = np.zeros((200, 3), np.int32)
    kept = from_stored(to_stored(to_blocks(coordinates, slots, records, units)))
    rounded = records.copy()
    round_to_stored(slots, rounded, units)
    np.testing.assert_array_equal(rounded[slots], from_blocks(kept, units))
    others = np.setdiff1d(np.arange(256), slots)
    np.testing.assert_array_equal(rounded[others], records[others])


def test_what_was_rounded_once_stays_as_it_is():
    settings = FusionSettings()
    records, units = records_of_everything(settings.labels_per_voxel), units_of(settings)
    slots = np.arange(256, dtype=np.int32)
    round_to_stored(slots, records, units)
    again = records.copy()
    round_to_stored(slots, again, units)
    np.testing.assert_array_equal(again, records)


def test_unpacking_is_the_inverse_of_packing():
    settings = FusionSettings()
    records, units = records_of_everything(settings.labels_per_voxel), units_of(settings)
    slots = np.arange(256, dtype=np.int32)
    round_to_stored(slots, records, units)
    blocks = to_blocks(np.zeros((256, 3), np.int32), slots, records, units)
    np.testing.assert_array_equal(from_blocks(blocks, units), records)
    falls = blocks.label_weights[..., :-1] >= blocks.label_weights[..., 1:]
    assert falls.all()


def test_every_voxel_is_what_its_bits_say():
    """Voxel by voxel in plain Python, from the layout that `cell_words` tells."""
    settings = FusionSettings()
    records, units = records_of_everything(settings.labels_per_voxel), units_of(settings)
    slots = np.array([7, 200, 31], np.int32)
    blocks = to_blocks(np.zeros((3, 3), np.int32), slots, records, units)
    cells = records.reshape(256, CELLS, -1)
    for i, slot in enumerate(slots):
        for number, (x, y, z) in enumerate(voxel_order()):
            cell, n = cells[slot, number // CELL], number % CELL
            assert blocks.tsdf[i, x, y, z] == np.int16(cell[TSDF + n].astype(np.int16)) / TSDF_ONE
            assert blocks.weight[i, x, y, z] == cell[WEIGHT + n] * units.weight
            packed = int(cell[COLOUR + 2 * n]) + (int(cell[COLOUR + 2 * n + 1]) << 16)
            levels = [min(((packed >> 10 * channel & 1023) + 2) // 4, 255) for channel in range(3)]
            assert blocks.colour[i, x, y, z].tolist() == levels
            counters = [(int(c) >> 8, int(c) & 255) for c in cell[LABELS + n :: CELL]]
            by_weight = sorted(counters, key=lambda counter: (-counter[0], counter[1]))
            seen = zip(blocks.label_weights[i, x, y, z] / units.label, blocks.label_ids[i, x, y, z], strict=True)
            assert [pair for pair in seen if pair[0] > 0] == [pair for pair in by_weight if pair[0] > 0]
