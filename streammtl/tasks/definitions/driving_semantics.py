"""The 8 classes that Virtual KITTI 2 and Cityscapes share, numbered from 0 in labels and channels (StableMTL)."""

from streammtl.tasks.spec import Activation, FusionRule, TaskKind, TaskSpec

TASK = TaskSpec(
    "driving_semantics",
    channels=8,
    unit="probability",
    kind=TaskKind.CATEGORICAL,
    activation=Activation.SOFTMAX,
    fusion=FusionRule.LABEL,
    label_space="driving8",
    loss="cross_entropy",
    metric="miou",
)
