"""Depth along the optical axis; heads give its logarithm."""

from streammtl.tasks.spec import Activation, FusionRule, Resample, TaskKind, TaskSpec

TASK = TaskSpec(
    "depth",
    channels=1,
    unit="m",
    kind=TaskKind.CONTINUOUS,
    activation=Activation.EXP,
    fusion=FusionRule.DEPTH,
    loss="l1",
    metric="depth",
    resample=Resample.INVERSE_DEPTH,
)
