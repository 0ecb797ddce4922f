"""A run whose voxels are tensors, as they are on a GPU, gives the map of the kernels of the CPU; here on the CPU."""

from functools import partial

import numpy as np
import pytest
import torch

from mapping.fusion.tensors.grid import TensorGrid
from mapping.store.reader import open_map
from mapping.store.validate import validate_map
from pipelines import mapping_stage, memory_budget
from pipelines.mapping_stage import Mapping
from tests.end_to_end.conftest import ROOM, streammtl  # noqa: F401  a fixture
from tests.pipelines.test_loops_in_the_map import SETTINGS, header, moved, step

CPU = torch.device("cpu")
FRAMES = 40


@pytest.fixture
def as_tensors(monkeypatch):
    """From here on grids of the mapping stage are tensors."""

    def use() -> None:
        monkeypatch.setattr(mapping_stage, "new_grid", partial(TensorGrid, device=CPU))
        monkeypatch.setattr(mapping_stage, "grid_from", partial(TensorGrid.from_blocks, device=CPU))

    return use


def test_a_whole_run_gives_the_same_map_to_rounding(streammtl, as_tensors, tmp_path):  # noqa: F811
    job = ("map", ROOM / "video.mp4", "--intrinsics", ROOM / "intrinsics.json", "--max-frames", FRAMES, "--local")
    few = [f"--set={s}" for s in ("run.commit_frames=20", "run.keyframes_per_submap=2", "fusion.voxel_size_m=0.05")]
    assert streammtl(*job, *few, "--out", tmp_path / "kernels.zarr").code == 0
    as_tensors()
    assert streammtl(*job, *few, "--out", tmp_path / "tensors.zarr").code == 0
    kernels, tensors = open_map(tmp_path / "kernels.zarr"), open_map(tmp_path / "tensors.zarr")
    assert validate_map(tmp_path / "tensors.zarr") == []
    assert len(tensors.header.submaps) >= 2
    for a, b in zip(kernels.submaps(), tensors.submaps(), strict=True):
        both = a.blocks, b.blocks
        shared = [
            np.isin(one.index @ (1, 1 << 20, 1 << 40), other.index @ (1, 1 << 20, 1 << 40))
            for one, other in (both, both[::-1])
        ]
        assert min(s.mean() for s in shared) > 0.99
        tsdf, weight = (
            [getattr(blocks, name)[s] for blocks, s in zip(both, shared, strict=True)] for name in ("tsdf", "weight")
        )
        assert (np.abs(tsdf[0] - tsdf[1]) > 2e-3).mean() < 2e-3
        assert (np.abs(weight[0] - weight[1]) > 2e-3 * weight[0]).mean() < 2e-3
    surfaces = [r.surface() for r in (kernels, tensors)]
    assert len(surfaces[0].vertices) == pytest.approx(len(surfaces[1].vertices), rel=0.01)


def test_an_absent_gpu_stops_a_run_before_it_begins(streammtl, monkeypatch, tmp_path):  # noqa: F811
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    job = ("map", ROOM / "video.mp4", "--intrinsics", ROOM / "intrinsics.json", "--out", tmp_path / "m.zarr")
    answer = streammtl(*job, "--set=fusion.device=cuda")
    assert answer.code != 0 and "finds no CUDA device" in answer.err
    assert not (tmp_path / "m.zarr").exists()


def test_submaps_are_not_closed_early_for_voxels_that_are_not_in_memory(as_tensors, monkeypatch, tmp_path):
    as_tensors()
    monkeypatch.setattr(mapping_stage, "fusion_device", lambda settings: torch.device("cuda"))
    monkeypatch.setattr(memory_budget, "resident_bytes", lambda: 1 << 50)
    monkeypatch.setattr(memory_budget, "WORTH_CLOSING", 1)
    stage = Mapping(SETTINGS, tmp_path / "m.zarr", header(), resume=False)
    assert [stage.integrate((step(i, moved(0.1 * i)), None)).submaps for i in range(2)] == [1, 1]
    stage.close()


def test_a_run_goes_on_where_it_was_committed(as_tensors, tmp_path):
    as_tensors()
    words = [step(i, moved(0.1 * i), checkpoint=i % 4 == 3) for i in range(8)]
    whole = Mapping(SETTINGS, tmp_path / "whole.zarr", header(), resume=False)
    for word in words:
        whole.integrate((word, None))
    parts = Mapping(SETTINGS, tmp_path / "parts.zarr", header(), resume=False)
    for word in words[:6]:  # what came after the commit is lost
        parts.integrate((word, None))
    parts.close()
    parts = Mapping(SETTINGS, tmp_path / "parts.zarr", header(), resume=True)
    for word in words[4:]:
        parts.integrate((word, None))
    for stage in (whole, parts):
        stage.finish({}, complete=True, dropped=0)
        stage.close()
    maps = [open_map(tmp_path / name) for name in ("whole.zarr", "parts.zarr")]
    for a, b in zip(*(m.submaps() for m in maps), strict=True):
        for name, array in vars(a.blocks).items():
            np.testing.assert_array_equal(array, getattr(b.blocks, name))
