"""Settings of a training from plain values, as JSON or YAML gives them, and from `a.b=c` on a command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from streammtl.errors import ConfigError
from streammtl.training.settings import TrainingSettings


def training_settings(values: dict[str, Any], overrides: Sequence[str] = ()) -> TrainingSettings:
    """Defaults, then `values`, then overrides such as `data.pool=rooms/train` or `stages.0.steps=200`.

    Raises: ConfigError naming the setting and what it may be.
    """
    values = json.loads(json.dumps(values))
    for override in overrides:
        _apply(values, override)
    values.setdefault("model", {}).setdefault("name", "cvm-lite")
    try:
        return TrainingSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"training setting {name} is {first['input']!r}: {message}.") from error


def read_json(path: Path) -> dict[str, Any]:
    """Nested values of a JSON file. Raises: ConfigError."""
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"training configuration {path} cannot be read as JSON ({error}); `streammtl train` reads YAML too."
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds {type(values).__name__}; expected an object of settings.")
    return values


def _apply(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"--set {override!r} has no value; write --set group.name=value.")
    try:
        value = json.loads(text)
    except ValueError:
        value = text  # a word
    inside: Any = values
    *groups, name = key.split(".")
    try:
        for group in groups:
            inside = inside[int(group)] if isinstance(inside, list) else inside.setdefault(group, {})
        inside[int(name) if isinstance(inside, list) else name] = value
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ConfigError(f"--set {override!r} names no setting: {error}.") from error
