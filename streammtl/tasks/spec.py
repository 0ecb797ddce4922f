"""What a task is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

IGNORE = 255  # class index of unlabelled pixels


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
    IDENTITY = "identity"


class FusionRule(StrEnum):
    """What a task contributes to the map."""

    DEPTH = "depth"  # surface
    LABEL = "label"  # label evidence
    WEIGHT = "weight"  # trust in the other tasks
    COLOUR = "colour"  # colour free of lighting
    EXCLUDE = "exclude"  # keeps what moves out of the map; never metric
    NONE = "none"


class Resample(StrEnum):
    """How labels of a task follow a change of image size."""

    NEAREST = "nearest"  # values that must not be mixed
    LINEAR = "linear"
    INVERSE_DEPTH = "inverse_depth"  # linear in 1/z, exact on planes; nearest across depth edges


@dataclass(frozen=True)
class TaskSpec:
    """One task. `channels` is what its head gives and its values hold.

    Labels have the same channels, except those of a categorical task, which hold one class index 0..channels-1 per
    pixel. `flip_signs` multiply the channels when an image is mirrored left-right (a mirrored normal has the other x).
    """

    name: str
    channels: int
    unit: str
    kind: TaskKind
    activation: Activation
    fusion: FusionRule
    label_space: str | None = None  # of a categorical task; channel i is label id i + 1
    loss: str | None = None  # name in streammtl.losses; None: not trained
    weight: float = 1.0  # of the loss in the sum over tasks
    metric: str | None = None  # name in streammtl.metrics
    flip_signs: tuple[int, ...] = ()  # empty: nothing changes sign
    resample: Resample = Resample.NEAREST
    scales_with_image: bool = False  # values are lengths in pixels (x, y)
    frames: int = 1  # consecutive frames it needs
    start: tuple[float, ...] = ()  # raw output a head begins near, where one guess is better than none

    @property
    def label_channels(self) -> int:
        """Channels of its labels in ViewBatch.targets."""
        return 1 if self.kind is TaskKind.CATEGORICAL else self.channels
