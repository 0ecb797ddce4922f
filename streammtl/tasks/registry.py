"""Tasks by name."""

from __future__ import annotations

from streammtl.errors import ConfigError
from streammtl.tasks.spec import Activation, FusionRule, TaskKind, TaskSpec

_TASKS: dict[str, TaskSpec] = {}


def register_task(spec: TaskSpec) -> TaskSpec:
    """Makes a task available by its name; raises ConfigError where another task has that name."""
    if _TASKS.setdefault(spec.name, spec) != spec:
        raise ConfigError(f"task {spec.name!r} is registered already with another meaning; choose another name.")
    return spec


def task_spec(name: str) -> TaskSpec:
    """The task of that name; raises ConfigError for an unknown one."""
    if name not in _TASKS:
        raise ConfigError(f"task {name!r} is unknown; use one of {', '.join(_TASKS)}, or register it.")
    return _TASKS[name]


def task_names() -> tuple[str, ...]:
    """All registered tasks, in order of registration."""
    return tuple(_TASKS)


DEPTH = register_task(TaskSpec("depth", 1, "m", TaskKind.CONTINUOUS, Activation.EXP, FusionRule.DEPTH))
SEMANTICS = register_task(
    TaskSpec("semantics", 40, "probability", TaskKind.CATEGORICAL, Activation.SOFTMAX, FusionRule.LABEL, "nyu40")
)
NORMALS = register_task(TaskSpec("normals", 3, "1", TaskKind.UNIT_VECTOR, Activation.NORMALISE, FusionRule.WEIGHT))
BOUNDARIES = register_task(
    TaskSpec("boundaries", 1, "probability", TaskKind.BINARY, Activation.SIGMOID, FusionRule.WEIGHT)
)
