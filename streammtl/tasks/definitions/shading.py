"""Luminance of the light that falls on a surface, tone-mapped to 0..1."""

from streammtl.tasks.spec import Activation, FusionRule, Resample, TaskKind, TaskSpec

TASK = TaskSpec(
    "shading",
    channels=1,
    unit="1",
    kind=TaskKind.CONTINUOUS,
    activation=Activation.SIGMOID,
    fusion=FusionRule.NONE,
    loss="l1",
    metric="intrinsics",
    resample=Resample.LINEAR,
)
