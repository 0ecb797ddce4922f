"""1-to-N attention between tasks: each asks all others, at the same place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from streammtl.errors import ConfigError
from streammtl.mixers.task_mixer import silent

MOST_HIDDEN = 640  # of the queries' projections


class OneToManyAttention(nn.Module):
    """What the features of one task gain from those of all others at the same pixel.

    Projections of queries, keys and values are each task's own; the last map begins at zero, so that at first nothing
    is gained. In training, with probability `masking` per call and task, one of the others is not asked: drawn by how
    much attention it gets, so that none is relied on too much. Costs T² per pixel, and no window.

    Source: StableMTL (arXiv 2506.08013), Eq. 2 and "Attention-guided task masking". Departures, as in its released
    code: projections are not linear but normalise and have hidden layers; a task is masked for the whole batch and
    before the softmax, where the paper masks by pixel and after it, so that weights no longer sum to 1.
    Raises: ConfigError where heads do not divide the width.
    """

    def __init__(self, tasks: Sequence[str], width: int, heads: int, masking: float) -> None:
        super().__init__()
        if width % heads:
            raise ConfigError(f"{heads} attention heads do not divide {width} channels; change mixer_heads.")
        self.heads, self.masking = heads, masking
        hidden = min(2 * width, MOST_HIDDEN)
        self.query = nn.ModuleDict({task: _projection(width, hidden, hidden) for task in tasks})
        self.key = nn.ModuleDict({task: _projection(width, width // 2) for task in tasks})
        self.value = nn.ModuleDict({task: _projection(width, width // 2) for task in tasks})
        self.out = silent(nn.Linear(width, width))

    def forward(
        self,
        streams: Tensor,  # [P,N,C] tokens of P pairs of sample and task
        tasks: Sequence[str],  # P names, one per pair
        samples: Tensor,  # int64 [P] which sample of `others` a pair is about
        others: Mapping[str, Tensor],  # task -> [B,N,C]; a pair's own task is not asked
    ) -> Tensor:
        """What is to be added to the streams [P,N,C]; 0 for a pair that has nobody to ask."""
        keys = {task: self._heads(self.key[task](tokens)) for task, tokens in others.items()}
        values = {task: self._heads(self.value[task](tokens)) for task, tokens in others.items()}
        message = torch.zeros_like(streams)
        for task in dict.fromkeys(tasks):
            asked = [other for other in others if other != task]
            if not asked:
                continue
            rows = torch.tensor([i for i, own in enumerate(tasks) if own == task], device=streams.device)
            key, value = (torch.stack([of[other][samples[rows]] for other in asked], 1) for of in (keys, values))
            answer = self.out(self._attended(self._heads(self.query[task](streams[rows])), key, value))
            message = message.index_copy(0, rows, answer.to(message.dtype))
        return message

    def _attended(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """[R,N,C] of query [R,N,heads,d], key and value [R,A,N,heads,d]."""
        scores = (query[:, None] * key).sum(-1) / query.shape[-1] ** 0.5  # [R,A,N,heads]
        others = scores.shape[1]
        if self.training and others > 1 and self.masking > 0 and torch.rand(()) < self.masking:
            shares = scores.detach().float().softmax(1).mean((0, 2, 3))
            dropped = torch.multinomial(shares.cpu(), 1).to(scores.device)
            scores = scores.index_fill(1, dropped, float("-inf"))
        return (scores.softmax(1)[..., None] * value).sum(1).flatten(-2)

    def _heads(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1))


def _projection(width: int, *hidden: int) -> nn.Sequential:
    """Normalisation, then linear maps by way of the hidden widths, back to `width`."""
    layers: list[nn.Module] = [nn.LayerNorm(width)]
    before = width
    for inner in hidden:
        layers += [nn.Linear(before, inner), nn.GELU()]
        before = inner
    return nn.Sequential(*layers, nn.Linear(before, width))
