"""A run keeps to its memory: by counting voxels, and where that is not enough, by looking at the process."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from mapping.store import MapHeader, open_map
from mapping.store.verify import verify_map
from pipelines.heap import give_back
from pipelines.mapping_stage import Mapping
from pipelines.memory_budget import BLOCK_BYTES, RESERVED_BYTES, WORTH_CLOSING, MemoryBudget, resident_bytes
from pipelines.settings import load_settings
from streammtl.errors import ConfigError
from tests.pipelines.test_loops_in_the_map import moved, step

linux = pytest.mark.skipif(resident_bytes() == 0, reason="this system does not tell what a process takes")


def test_voxels_have_what_is_left_and_a_map_without_room_for_any_is_refused():
    budget = MemoryBudget(2e9)
    assert 2 * budget.blocks_per_submap * BLOCK_BYTES <= 2e9 - RESERVED_BYTES
    assert 2 * (budget.blocks_per_submap + 1) * BLOCK_BYTES > 2e9 - RESERVED_BYTES
    assert MemoryBudget(1e9).blocks_meshed_at_once > 1000
    with pytest.raises(ConfigError, match=r"run\.memory_gb is 0\.5"):
        load_settings(None, ["run.memory_gb=0.5"])


@linux
def test_a_process_that_has_grown_asks_for_submaps_to_be_closed_until_it_has_shrunk(caplog):
    give_back()  # what earlier tests left free would go when the budget asks for it
    budget = MemoryBudget(resident_bytes() + 100e6)
    assert not budget.asks_to_close(10**6)
    images = np.ones(25_000_000)  # 200 MB
    assert budget.asks_to_close(10**6)
    with caplog.at_level(logging.WARNING):
        assert not budget.asks_to_close(WORTH_CLOSING - 1) and not budget.asks_to_close(0)
    assert caplog.text.count("hardly any of it is voxels") == 1 and len(images)
    del images
    assert not budget.asks_to_close(10**6)


@linux
def test_a_run_in_too_little_memory_closes_submaps_early_and_ends_well(tmp_path):
    settings = load_settings(None, ["run.keyframes_per_submap=1000", "fusion.voxel_size_m=0.02"])
    header = MapHeader(voxel_size_m=0.02, truncation_m=settings.fusion.truncation_m)
    stage = Mapping(settings, tmp_path / "m.zarr", header, resume=False)
    stage._budget = MemoryBudget(1e9)
    stage._budget._most = 1.0  # whatever the process takes is too much
    blocks = [stage.integrate((step(i, moved(0.5 * i), checkpoint=i % 10 == 9), None)).blocks for i in range(40)]
    stage.finish({}, complete=True, dropped=0)
    stage.close()
    reader = open_map(tmp_path / "m.zarr")
    taken = [entry.blocks for entry in reader.header.submaps]
    assert len(taken) > 3 and min(taken[:-1]) >= WORTH_CLOSING and max(blocks) < 2 * WORTH_CLOSING
    assert reader.trajectory().posed.sum() == 40 and len(reader) == 40
    assert sum(len(submap.frames) for submap in reader.submaps()) == 40
    assert verify_map(tmp_path / "m.zarr").sound and len(reader.surface().faces) > 1000
    assert all(frame.keyframe for submap in reader.submaps() for frame in submap.frames)
