"""Semantic classes of Cityscapes' benchmark: 19, numbered from 0 in labels and channels."""

from streammtl.tasks.spec import Activation, FusionRule, TaskKind, TaskSpec

TASK = TaskSpec(
    "cityscapes_semantics",
    channels=19,
    unit="probability",
    kind=TaskKind.CATEGORICAL,
    activation=Activation.SOFTMAX,
    fusion=FusionRule.LABEL,
    label_space="cityscapes19",
    loss="cross_entropy",
    metric="miou",
)
