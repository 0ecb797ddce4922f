"""The setting that says where voxels live, and what a machine without a GPU makes of it."""

import pytest
import torch
from pydantic import ValidationError

from mapping.fusion import choice
from mapping.fusion.choice import grid_from, new_grid
from mapping.fusion.grid import VoxelGrid
from mapping.fusion.settings import FusionSettings
from mapping.fusion.tensors.grid import TensorGrid
from mapping.store.refuse_map import refuse_map
from streammtl.errors import ConfigError


def test_without_a_gpu_the_kernels_of_the_cpu_are_used(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("auto", "cpu"):
        settings = FusionSettings(device=name)
        assert isinstance(new_grid(settings), VoxelGrid)
        assert isinstance(grid_from(settings, VoxelGrid(settings).blocks()), VoxelGrid)


def test_a_gpu_that_is_absent_is_named_before_anything_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    settings = FusionSettings(device="cuda")
    with pytest.raises(ConfigError, match="finds no CUDA device"):
        new_grid(settings)
    with pytest.raises(ConfigError, match="finds no CUDA device"):
        refuse_map(tmp_path / "map.zarr", tmp_path / "out.zarr", settings)
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_is_one_too_many_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="finds 1 CUDA"):
        new_grid(FusionSettings(device="cuda:1"))


@pytest.mark.parametrize("name", ["tpu", "mps", "cuda:", "gpu"])
def test_other_devices_are_refused(name):
    with pytest.raises(ValidationError, match="device"):
        FusionSettings(device=name)


def test_on_a_device_that_is_no_cpu_voxels_are_tensors(monkeypatch):
    monkeypatch.setattr(choice, "fusion_device", lambda settings: torch.device("meta"))
    grid = new_grid(FusionSettings())
    assert isinstance(grid, TensorGrid) and grid.device.type == "meta"
