"""Parts of people: background, head, torso, upper and lower arms, upper and lower legs. People move: not in the map."""

from streammtl.tasks.spec import Activation, FusionRule, TaskKind, TaskSpec

TASK = TaskSpec(
    "human_parts",
    channels=7,
    unit="probability",
    kind=TaskKind.CATEGORICAL,
    activation=Activation.SOFTMAX,
    fusion=FusionRule.NONE,
    loss="cross_entropy",
    weight=2.0,
    metric="miou",
)
