"""Each task asks all others pixel by pixel: StableMTL's attention between tasks, for networks that run forward once."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from streammtl.mixers.registry import register_mixer
from streammtl.mixers.task_attention import OneToManyAttention
from streammtl.mixers.task_mixer import MixerSettings, TaskMixer


@register_mixer("one_to_n")
class OneToManyMixer(TaskMixer):
    """Features plus what the other tasks' features at the same pixel say; begins as the identity.

    Source: StableMTL (arXiv 2506.08013), 3.2. Departure: the features asked are those of the same network, which learn
    along, where StableMTL has a frozen second one.
    Raises: ConfigError where heads do not divide the width.
    """

    def __init__(self, tasks: tuple[str, ...], width: int, context_channels: int, settings: MixerSettings) -> None:
        super().__init__(tasks, width, context_channels, settings)
        self.layers = nn.ModuleList(
            OneToManyAttention(tasks, width, settings.heads, settings.masking) for _ in range(settings.layers)
        )

    def forward(self, features: Mapping[str, Tensor], context: Tensor) -> dict[str, Tensor]:
        batch, _, *size = features[self.tasks[0]].shape
        tokens = torch.cat([features[task].flatten(2).transpose(1, 2) for task in self.tasks])  # [T·B,N,C]
        named = [task for task in self.tasks for _ in range(batch)]
        samples = torch.arange(batch, device=tokens.device).repeat(len(self.tasks))
        for layer in self.layers:
            others = dict(zip(self.tasks, tokens.chunk(len(self.tasks)), strict=True))
            tokens = tokens + layer(tokens, named, samples, others)
        mixed = tokens.transpose(1, 2).unflatten(2, size)
        return dict(zip(self.tasks, mixed.chunk(len(self.tasks)), strict=True))
