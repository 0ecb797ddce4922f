"""Which model `streammtl evaluate-model` judges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.settings import settings_from
from pipelines.training_config import read_value, read_values
from streammtl.errors import ConfigError
from streammtl.models.settings import ModelSettings


def chosen_model(config: Path | None, name: str | None, weights: Path | None, overrides: list[str]) -> ModelSettings:
    """The model group of a YAML file of a training or a run, then `--model`, `--weights` and `--set model.x=y`.

    Raises: ConfigError, and where neither a file nor a name is given.
    """
    if config is None and name is None:
        raise ConfigError(
            "evaluate-model needs a CONFIG with a `model` group, or --model NAME, e.g. --model planesweep."
        )
    values: dict[str, Any] = {"model": {}} if config is None else read_values(config)
    model = values.get("model", {})
    model = {"name": model} if isinstance(model, str) else dict(model)
    model |= {key: value for key, value in (("name", name), ("weights", weights)) if value is not None}
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key.startswith("model."):
            raise ConfigError(
                f"--set {override!r}: evaluate-model takes settings of the model, --set model.name=value."
            )
        model[key.removeprefix("model.")] = read_value(text)
    return settings_from({"model": model}).model
