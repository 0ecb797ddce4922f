"""What draws the eye."""

from streammtl.tasks.spec import Activation, FusionRule, TaskKind, TaskSpec

TASK = TaskSpec(
    "saliency",
    channels=1,
    unit="probability",
    kind=TaskKind.BINARY,
    activation=Activation.SIGMOID,
    fusion=FusionRule.NONE,
    loss="balanced_cross_entropy",
    weight=5.0,
    metric="max_f",
)
