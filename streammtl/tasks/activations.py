"""From raw head outputs to values."""

from __future__ import annotations

import torch
from torch import Tensor

from streammtl.geometry import unit
from streammtl.tasks.spec import Activation


def activate(raw: Tensor, activation: Activation) -> Tensor:
    """Values [B,C,H,W] of raw outputs [B,C,H,W]."""
    if activation is Activation.EXP:
        return raw.exp()
    if activation is Activation.NORMALISE:
        return unit(raw)
    if activation is Activation.SOFTMAX:
        return torch.softmax(raw, 1)
    if activation is Activation.SIGMOID:
        return torch.sigmoid(raw)
    return raw
