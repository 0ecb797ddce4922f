"""Motion (x, y) of each pixel to the next frame."""

from streammtl.tasks.spec import Activation, FusionRule, TaskKind, TaskSpec

TASK = TaskSpec(
    "optical_flow",
    channels=2,
    unit="px",
    kind=TaskKind.CONTINUOUS,
    activation=Activation.IDENTITY,
    fusion=FusionRule.EXCLUDE,
    loss="l1",
    metric="epe_2d",
    flip_signs=(-1, 1),
    scales_with_image=True,
    frames=2,
)
