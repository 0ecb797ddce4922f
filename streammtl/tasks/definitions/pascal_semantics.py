"""Semantic classes of PASCAL VOC: background and 20, numbered from 0 in labels and channels."""

from streammtl.tasks.spec import Activation, FusionRule, TaskKind, TaskSpec

TASK = TaskSpec(
    "pascal_semantics",
    channels=21,
    unit="probability",
    kind=TaskKind.CATEGORICAL,
    activation=Activation.SOFTMAX,
    fusion=FusionRule.LABEL,
    label_space="pascal21",
    loss="cross_entropy",
    metric="miou",
)
