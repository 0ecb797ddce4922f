"""The Triton kernel against the slow path: on CUDA as it is, elsewhere by Triton's interpreter in its own process."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from streammtl.crossview.cost_volume import build_cost_volume
from streammtl.crossview.hypotheses import depth_hypotheses
from streammtl.crossview.warp import sweep_geometry
from streammtl.errors import ConfigError

REPOSITORY = Path(__file__).resolve().parents[2]
SIZE = (7, 9)
has_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed here")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@has_triton
@pytest.mark.skipif(DEVICE == "cuda" or INTERPRETED, reason="the kernel itself is tested in this process")
def test_the_kernel_is_right_by_the_interpreter():
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", __file__, "-k", "slow_path"],
        cwd=REPOSITORY,
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert "skipped" not in run.stdout


@has_triton
@pytest.mark.skipif(DEVICE == "cpu" and not INTERPRETED, reason="needs CUDA or TRITON_INTERPRET=1")
@pytest.mark.parametrize("channels", [5, 70])
def test_the_kernel_equals_the_slow_path(scenes, channels):
    poses = [scenes.pose(), scenes.pose(x=-0.2, yaw=0.3), scenes.pose(y=0.1, z=0.7)]
    batch, _ = scenes.batch(scenes.scene(), poses, size=(56, 72), focal=60.0)
    geometry, planes = sweep_geometry(batch, SIZE), depth_hypotheses(batch.near_m, batch.far_m, 11)
    found = []
    for method in ("fused", "per_plane"):
        features = torch.randn(1, 3, channels, *SIZE, generator=torch.Generator().manual_seed(0)).to(DEVICE)
        features.requires_grad_()
        on_device = type(geometry)(*(x.to(DEVICE) for x in (geometry.direction, geometry.offset, geometry.mask)), *SIZE)
        volume = build_cost_volume(features[:, 0], features[:, 1:], on_device, planes.to(DEVICE), method)
        volume.scores.square().sum().backward()
        found.append((volume.scores.detach(), volume.views, features.grad))
    assert 0.1 < (found[0][1] == 0).float().mean() < 0.9
    for ours, slow in zip(*found, strict=True):
        torch.testing.assert_close(ours, slow, atol=1e-4, rtol=1e-4)


@pytest.mark.skipif(INTERPRETED, reason="the interpreter takes any device")
def test_the_kernel_is_refused_off_cuda(scenes):
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=0.2)], size=(56, 72), focal=60.0)
    features = torch.zeros(1, 2, 4, *SIZE)
    planes = depth_hypotheses(batch.near_m, batch.far_m, 4)
    with pytest.raises(ConfigError, match="works on CUDA"):
        build_cost_volume(features[:, 0], features[:, 1:], sweep_geometry(batch, SIZE), planes, "fused")
