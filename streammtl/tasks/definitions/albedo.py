"""Colour of a surface without its lighting, RGB in 0..1."""

from streammtl.tasks.spec import Activation, FusionRule, Resample, TaskKind, TaskSpec

TASK = TaskSpec(
    "albedo",
    channels=3,
    unit="1",
    kind=TaskKind.CONTINUOUS,
    activation=Activation.SIGMOID,
    fusion=FusionRule.COLOUR,
    loss="l1",
    metric="intrinsics",
    resample=Resample.LINEAR,
)
