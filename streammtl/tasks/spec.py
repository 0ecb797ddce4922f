"""What a task is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TaskKind(StrEnum):
    """How values of a task are read."""

    CONTINUOUS = "continuous"  # a quantity with a unit
    UNIT_VECTOR = "unit_vector"  # a direction in camera axes
    CATEGORICAL = "categorical"  # one probability per class
    BINARY = "binary"  # one probability


class Activation(StrEnum):
    """What turns a head's raw output into a value."""

    EXP = "exp"  # raw output is a logarithm
    NORMALISE = "normalise"
    SOFTMAX = "softmax"
    SIGMOID = "sigmoid"


class FusionRule(StrEnum):
    """What a task contributes to the map."""

    DEPTH = "depth"  # surface
    LABEL = "label"  # label evidence
    WEIGHT = "weight"  # trust in the other tasks
    NONE = "none"


@dataclass(frozen=True)
class TaskSpec:
    """One task. `channels` is what its head gives and its values hold."""

    name: str
    channels: int
    unit: str
    kind: TaskKind
    activation: Activation
    fusion: FusionRule
    label_space: str | None = None  # of a categorical task; channel i is label id i + 1
