"""Several passes of one step at the same time, each in a thread of its own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor, nn

Work = TypeVar("Work")
Result = TypeVar("Result")


class Lanes:
    """Networks that share their weights and not their gradients, so that passes do not wait for each other.

    Threads inside operations meet at every one of them, and where other programs want the cores too they mostly wait;
    whole passes side by side meet once a step. The first network is the caller's own, as `forward` calls it.
    """

    def __init__(self, network: nn.Module, forward: nn.Module, count: int) -> None:
        self._network = network
        self._others = [_sharing_copy(network) for _ in range(count - 1)]
        self._forwards = [forward, *self._others]
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="lane") if count > 1 else None

    def run(self, do: Callable[[nn.Module, Work], Result], work: Sequence[Work]) -> list[Result]:
        """do(network, item) for all items, in their order; gradients end up in the caller's network.

        Item i goes to network i modulo their number, and gradients are added in that order: the same each time.
        """
        if self._pool is None:
            return [do(self._forwards[0], item) for item in work]

        def along(lane: int) -> list[Result]:
            return [do(self._forwards[lane], item) for item in work[lane :: len(self._forwards)]]

        futures = [self._pool.submit(along, lane) for lane in range(len(self._forwards))]
        lanes = [future.result() for future in futures]
        self._gather()
        return [lanes[i % len(lanes)][i // len(lanes)] for i in range(len(work))]

    @torch.no_grad()
    def _gather(self) -> None:
        for other in self._others:
            sums: list[Tensor] = []
            added: list[Tensor] = []
            for parameter, twin in zip(self._network.parameters(), other.parameters(), strict=True):
                if twin.grad is None:
                    continue
                if parameter.grad is None:
                    parameter.grad = twin.grad
                else:
                    sums.append(parameter.grad)
                    added.append(twin.grad)
                twin.grad = None
            if sums:
                torch._foreach_add_(sums, added)


def _sharing_copy(network: nn.Module) -> nn.Module:
    twin = copy.deepcopy(network)
    for ours, theirs in ((twin.parameters(), network.parameters()), (twin.buffers(), network.buffers())):
        for mine, original in zip(ours, theirs, strict=True):
            mine.data = original.data
    return twin
