"""The interface of task mixers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn


class MixerSettings(BaseModel):
    """One task mixer; the defaults are M2H's. A mixer reads what it needs of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: int = Field(7, description="side of an attention window, feature pixels", ge=1)
    layers: int = Field(2, description="attention layers", ge=1)
    heads: int = Field(4, description="attention heads; must divide the channels that attention works on", ge=1)
    channels: int | None = Field(None, description="channels that attention works on; none: those of the tasks", gt=0)
    shifted: bool = Field(False, description="every second layer's windows lie half a window further")
    masking: float = Field(0.4, description="share of steps in which one_to_n leaves a task unasked", ge=0, lt=1)
    reduction: int = Field(4, description="of the two-layer gate: its inner width is that much smaller", ge=1)


class TaskMixer(nn.Module, ABC):
    """{task: features [B,C,h,w]} to the same for any number of tasks; which task is which is told by name, so their
    order is no matter.

    width: C. context_channels: of the encoder's last level, which some mixers read as well.
    """

    def __init__(self, tasks: tuple[str, ...], width: int, context_channels: int, settings: MixerSettings) -> None:
        super().__init__()
        self.tasks = tuple(tasks)

    @abstractmethod
    def forward(self, features: Mapping[str, Tensor], context: Tensor) -> dict[str, Tensor]:
        """`context` [B,context_channels,h',w'] is the encoder's last level, of any size."""


def silent(layer: nn.Linear | nn.Conv2d) -> nn.Linear | nn.Conv2d:
    """The layer, which starts by giving zeros: what it adds to a residual is learnt from nothing."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
