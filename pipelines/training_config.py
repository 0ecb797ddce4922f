"""Configurations of trainings, YAML or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from streammtl.errors import ConfigError


def read_values(path: Path) -> dict[str, Any]:
    """Nested values of a YAML (or JSON) file. Raises: ConfigError."""
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"configuration {path} cannot be read as YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds {type(values).__name__}, expected groups of settings such as `model:`.")
    return values


def read_value(text: str) -> Any:
    """What stands behind the = of `--set`. Raises: ConfigError."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{text!r} is not a value: {error}") from error
