"""Boundaries between things."""

from streammtl.tasks.spec import Activation, FusionRule, TaskKind, TaskSpec

TASK = TaskSpec(
    "boundaries",
    channels=1,
    unit="probability",
    kind=TaskKind.BINARY,
    activation=Activation.SIGMOID,
    fusion=FusionRule.WEIGHT,
    loss="weighted_bce",
    weight=50.0,
    metric="ods_f",
)
