"""What the whole image says, for each task alone: M2H's GGFM."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from streammtl.mixers.registry import register_mixer
from streammtl.mixers.task_mixer import MixerSettings, TaskMixer, silent


@register_mixer("ggfm")
class GlobalGate(TaskMixer):
    """F (1 + g) + U: channels are strengthened by a gate on the mean over the image, and the encoder's last level is
    added by a linear map of each task, which starts at zero.

    Source: M2H (arXiv 2510.17363), Eq. 11 to 14. Departures: both layers of the gate have a bias (Eq. 12 has one,
    outside); U is one map for all tasks with a projection for each, where the paper has it both ways.
    """

    def __init__(self, tasks: tuple[str, ...], width: int, context_channels: int, settings: MixerSettings) -> None:
        super().__init__(tasks, width, context_channels, settings)
        self.gates = nn.ModuleDict({task: _gate(width, max(width // settings.reduction, 1)) for task in tasks})
        self.unique = nn.ModuleDict({task: silent(nn.Conv2d(context_channels, width, 1)) for task in tasks})

    def forward(self, features: Mapping[str, Tensor], context: Tensor) -> dict[str, Tensor]:
        mixed = {}
        for task in self.tasks:
            own = features[task]
            gate = self.gates[task](own.mean((2, 3)))[..., None, None]
            last = F.interpolate(self.unique[task](context), own.shape[-2:], mode="bilinear", align_corners=False)
            mixed[task] = own * (1 + gate) + last
        return mixed


def _gate(width: int, inner: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, width), nn.Sigmoid())
