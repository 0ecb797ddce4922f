"""Moving average of a network's weights, which generalises better than the last ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WARM_UP = 10.0  # early on the average forgets faster: its decay is at most (1 + n) / (WARM_UP + n)


class WeightAverage:
    """Average of all floating-point parameters and buffers, in float32; others follow the network."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._network = network
        self.state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the network's present weights."""
        self.updates += 1
        decay = min(self.decay, self.updates / (WARM_UP + self.updates))
        now = self._network.state_dict()
        moving = [name for name, tensor in now.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([self.state[n] for n in moving], [now[n] for n in moving], 1 - decay)
        for name in now.keys() - set(moving):
            self.state[name].copy_(now[name])

    def load(self, state: dict[str, Tensor], updates: int) -> None:
        """Goes on from a saved average."""
        for name, tensor in state.items():
            self.state[name].copy_(tensor)
        self.updates = updates
