"""Semantic classes of NYUv2: 40, numbered from 0 in labels and channels."""

from streammtl.tasks.spec import Activation, FusionRule, TaskKind, TaskSpec

TASK = TaskSpec(
    "semantics",
    channels=40,
    unit="probability",
    kind=TaskKind.CATEGORICAL,
    activation=Activation.SOFTMAX,
    fusion=FusionRule.LABEL,
    label_space="nyu40",
    loss="cross_entropy",
    metric="miou",
)
