"""Tasks by name. Each file in streammtl/tasks/definitions holds one; a file more is a task more."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from streammtl.errors import ConfigError
from streammtl.tasks import definitions
from streammtl.tasks.spec import TaskKind, TaskSpec

_TASKS: dict[str, TaskSpec] = {}
_FIRST = ("depth", "semantics", "normals", "boundaries")  # what the bundled models predict, in their order


def register_task(spec: TaskSpec) -> TaskSpec:
    """Makes a task available by its name.

    Raises: ConfigError where another task has that name, or where its signs or channels contradict each other.
    """
    if spec.start and len(spec.start) != spec.channels:
        raise ConfigError(
            f"task {spec.name!r} has {spec.channels} channels and {len(spec.start)} values to start from."
        )
    if spec.flip_signs and len(spec.flip_signs) != spec.channels:
        raise ConfigError(
            f"task {spec.name!r} has {spec.channels} channels and {len(spec.flip_signs)} flip signs; give one sign per "
            "channel, or none."
        )
    if spec.scales_with_image and (spec.channels != 2 or spec.kind is not TaskKind.CONTINUOUS):
        raise ConfigError(f"task {spec.name!r} scales with the image; it needs two continuous channels (x, y).")
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


def _register_definitions() -> None:
    found = [module.name for module in pkgutil.iter_modules(definitions.__path__)]
    rest = sorted(set(found) - set(_FIRST))
    for name in (*_FIRST, *rest):
        register_task(import_module(f"{definitions.__name__}.{name}").TASK)


_register_definitions()
DEPTH, SEMANTICS, NORMALS, BOUNDARIES = (task_spec(name) for name in _FIRST)
