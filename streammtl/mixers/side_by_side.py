"""Several task mixers on the same features, and one linear map of what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from streammtl.mixers.task_mixer import MixerSettings, TaskMixer


class SideBySide(TaskMixer):
    """Each task's results of all `parts` joined and brought back to its width; starts near their mean.

    Source: M2H (arXiv 2510.17363), Eq. 5a.
    """

    def __init__(self, parts: Sequence[TaskMixer], tasks: tuple[str, ...], width: int) -> None:
        super().__init__(tasks, width, 0, MixerSettings())
        self.parts = nn.ModuleList(parts)
        self.fuse = nn.ModuleDict({task: nn.Conv2d(len(parts) * width, width, 1) for task in tasks})
        mean = torch.eye(width).repeat(1, len(parts))[..., None, None] / len(parts)
        with torch.no_grad():
            for convolution in self.fuse.values():
                convolution.weight.mul_(0.1).add_(mean)

    def forward(self, features: Mapping[str, Tensor], context: Tensor) -> dict[str, Tensor]:
        said = [part(features, context) for part in self.parts]
        return {task: self.fuse[task](torch.cat([one[task] for one in said], 1)) for task in self.tasks}
