"""Motion (x, y, z) of each surface point to the next frame, in camera axes."""

from streammtl.tasks.spec import Activation, FusionRule, TaskKind, TaskSpec

TASK = TaskSpec(
    "scene_flow",
    channels=3,
    unit="m",
    kind=TaskKind.CONTINUOUS,
    activation=Activation.IDENTITY,
    fusion=FusionRule.EXCLUDE,
    loss="l1",
    metric="epe_3d",
    flip_signs=(-1, 1, 1),
    frames=2,
)
