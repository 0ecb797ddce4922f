"""Losses by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from streammtl.errors import ConfigError

LossFunction = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class TaskLoss:
    """A loss and what it compares with labels: raw head outputs (logits), or values after the task's activation."""

    function: LossFunction
    takes_logits: bool


_LOSSES: dict[str, TaskLoss] = {}


def register_loss(name: str, *, takes_logits: bool = False) -> Callable[[LossFunction], LossFunction]:
    """Decorator that makes a loss available to task definitions; raises ConfigError where the name is taken."""

    def register(function: LossFunction) -> LossFunction:
        if name in _LOSSES:
            raise ConfigError(f"loss {name!r} is registered already; choose another name.")
        _LOSSES[name] = TaskLoss(function, takes_logits)
        return function

    return register


def task_loss(name: str) -> TaskLoss:
    """The loss of that name; raises ConfigError for an unknown one."""
    if name not in _LOSSES:
        raise ConfigError(f"loss {name!r} is unknown; use one of {', '.join(_LOSSES)}, or register it.")
    return _LOSSES[name]


def loss_names() -> tuple[str, ...]:
    """All registered losses."""
    return tuple(_LOSSES)
