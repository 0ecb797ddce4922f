"""Attention between all tasks inside small windows: M2H's WMCA."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from streammtl.crossview.multiview_transformer import attend
from streammtl.errors import ConfigError
from streammtl.mixers.registry import register_mixer
from streammtl.mixers.task_mixer import MixerSettings, TaskMixer, silent
from streammtl.mixers.task_windows import TaskWindows

FEED_FORWARD_RATIO = 4
INITIAL_SPREAD = 0.02


@register_mixer("wmca")
class WindowedTaskAttention(TaskMixer):
    """Every pixel of every task attends to all pixels of all tasks in its window; `shifted` windows let neighbouring
    windows talk.

    Source: M2H (arXiv 2510.17363), Eq. 6 to 10. Departures: residuals go around normalisation, where the paper adds to
    normalised tokens and so loses how strong a feature is; tokens know their task and their place in the window, which
    the paper does not tell them; padding is masked, where the paper's zeros take part. With `channels` attention works
    on that many, between linear maps of each task, as the published M2H-small does.
    Raises: ConfigError where heads do not divide the channels.
    """

    def __init__(self, tasks: tuple[str, ...], width: int, context_channels: int, settings: MixerSettings) -> None:
        super().__init__(tasks, width, context_channels, settings)
        inner = settings.channels or width
        if inner % settings.heads:
            raise ConfigError(f"{settings.heads} attention heads do not divide {inner} channels; change mixer_heads.")
        self.window = settings.window
        self.offsets = [settings.window // 2 * (settings.shifted and i % 2) for i in range(settings.layers)]
        self.squeeze, self.expand = None, None
        if inner != width:
            self.squeeze = nn.ModuleDict({task: nn.Linear(width, inner) for task in tasks})
            self.expand = nn.ModuleDict({task: silent(nn.Linear(inner, width)) for task in tasks})
        self.names = nn.ParameterDict({task: nn.Parameter(INITIAL_SPREAD * torch.randn(inner)) for task in tasks})
        self.places = nn.Parameter(INITIAL_SPREAD * torch.randn(settings.window**2, inner))
        self.layers = nn.ModuleList(TokenAttention(inner, settings.heads) for _ in range(settings.layers))

    def forward(self, features: Mapping[str, Tensor], context: Tensor) -> dict[str, Tensor]:
        given = {task: features[task].permute(0, 2, 3, 1) for task in self.tasks}
        inner = given if self.squeeze is None else {task: self.squeeze[task](x) for task, x in given.items()}
        mixed = self._attended(torch.stack(list(inner.values()), 1)).unbind(1)
        result = dict(zip(self.tasks, mixed, strict=True))
        if self.expand is not None:
            result = {task: given[task] + self.expand[task](x) for task, x in result.items()}
        return {task: x.permute(0, 3, 1, 2) for task, x in result.items()}

    def _attended(self, x: Tensor) -> Tensor:
        """[B,T,h,w,C] after all layers."""
        batch, tasks, *size, _ = x.shape
        labels = torch.stack([self.names[task] for task in self.tasks])[:, None] + self.places  # [T,side²,C]
        for layer, offset in zip(self.layers, self.offsets, strict=True):
            windows = TaskWindows(tuple(size), self.window, offset)
            inside = windows.inside(batch, tasks, x.device)
            x = windows.merge(layer(windows.split(x), labels.flatten(0, 1), inside), tasks)
        return x


class TokenAttention(nn.Module):
    """Tokens [N,L,C] after self-attention and a feed-forward net, each with a residual around its normalisation.

    labels [L,C] say which token is which, to attention alone; inside bool [N,1,1,L]: tokens that may be attended to.
    Starts as the identity: what heads learn from their own features first is not drowned by what others say at random.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_feed_forward = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.merge = silent(nn.Linear(channels, channels))
        hidden = FEED_FORWARD_RATIO * channels
        self.feed_forward = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), silent(nn.Linear(hidden, channels)))

    def forward(self, tokens: Tensor, labels: Tensor, inside: Tensor | None) -> Tensor:
        projected = self.query_key_value(self.norm_attention(tokens) + labels)
        query, key, value = projected.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each [N,heads,L,d]
        message = attend(query, key, value, inside).transpose(1, 2).flatten(2)
        tokens = tokens + self.merge(message)
        return tokens + self.feed_forward(self.norm_feed_forward(tokens))
