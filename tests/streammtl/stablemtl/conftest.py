"""Tiny latent networks and batches with labels."""

from __future__ import annotations

import pytest
import torch

from streammtl.models.settings import ModelSettings
from streammtl.stablemtl.build import build_regressor
from streammtl.tasks.registry import task_spec
from streammtl.tasks.spec import TaskKind
from streammtl.views import ViewBatch

SIZE = (32, 48)


def batch_of(tasks=(), samples=2, next_frames=False, seed=0, size=SIZE) -> ViewBatch:
    """Random images with random labels of these tasks, valid everywhere."""
    generator = torch.Generator().manual_seed(seed)

    def noise(channels: int) -> torch.Tensor:
        return torch.rand(samples, 1, channels, *size, generator=generator)

    def labels(task: str) -> torch.Tensor:
        spec = task_spec(task)
        if spec.kind is TaskKind.CATEGORICAL:
            return torch.randint(0, spec.channels, (samples, 1, 1, *size), generator=generator)
        return noise(spec.channels) + (0.5 if task == "depth" else 0.0)

    return ViewBatch(
        images=noise(3),
        K=torch.tensor([[40.0, 0, 24], [0, 40, 16], [0, 0, 1]]).expand(samples, 1, 3, 3),
        T_world_cam=torch.eye(4, dtype=torch.float64).expand(samples, 1, 4, 4),
        view_mask=torch.ones(samples, 1, dtype=torch.bool),
        near_m=torch.full((samples,), 0.5),
        far_m=torch.full((samples,), 10.0),
        targets={task: labels(task) for task in tasks},
        valid={task: torch.ones(samples, 1, 1, *size, dtype=torch.bool) for task in tasks},
        next_images=noise(3) if next_frames else None,
    )


@pytest.fixture
def latent():
    """Building blocks: .batch(tasks, ...), .network(tasks, multi_stream, **settings)."""

    class Latent:
        size = SIZE
        batch = staticmethod(batch_of)

        @staticmethod
        def network(tasks, multi_stream=False, **settings):
            pytest.importorskip("diffusers")
            name = "stablemtl" if multi_stream else "stablemtl-single"
            return build_regressor(ModelSettings(name=name, **settings), tasks, multi_stream)

    return Latent()
