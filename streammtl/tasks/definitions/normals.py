"""Surface normals: unit vectors in camera axes that face the camera."""

from streammtl.tasks.spec import Activation, FusionRule, TaskKind, TaskSpec

TASK = TaskSpec(
    "normals",
    channels=3,
    unit="1",
    kind=TaskKind.UNIT_VECTOR,
    activation=Activation.NORMALISE,
    fusion=FusionRule.WEIGHT,
    loss="unit_l1",
    weight=10.0,
    metric="normals",
    flip_signs=(-1, 1, 1),
    start=(0.0, 0.0, -1.0),
)
