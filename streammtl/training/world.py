"""The processes that train together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.distributed
from torch import nn


@dataclass(frozen=True)
class World:
    """This process among `size`. `parallelise` wraps the network so that gradients are averaged over all of them."""

    rank: int = 0
    size: int = 1
    parallelise: Callable[[nn.Module], nn.Module] = lambda network: network

    @property
    def leads(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def agree(self, flag: bool) -> bool:
        """Whether the leading process says yes, so that all stop at the same step."""
        if self.size == 1:
            return flag
        said = torch.tensor([int(flag)])
        torch.distributed.broadcast(said, 0)
        return bool(said.item())
