"""Configurations of trainings, YAML or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from streammtl.errors import ConfigError


def read_values(path: Path) -> dict[str, Any]:
    """Nested values of a YAML (or JSON) file; `like: OTHER.yaml` begins with those of another one beside it.

    Groups are merged, anything else is replaced. Raises: ConfigError.
    """
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"configuration {path} cannot be read as YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds {type(values).__name__}, expected groups of settings such as `model:`.")
    other = values.pop("like", None)
    if other is None:
        return values
    if Path(str(other)).name != other or other == path.name:
        raise ConfigError(f"{path}: like is {other!r}; name another file of the same folder.")
    return _merged(read_values(path.parent / other), values)


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for name, value in over.items():
        both = isinstance(value, dict) and isinstance(under.get(name), dict)
        merged[name] = _merged(under[name], value) if both else value
    return merged


def read_value(text: str) -> Any:
    """What stands behind the = of `--set`. Raises: ConfigError."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{text!r} is not a value: {error}") from error
