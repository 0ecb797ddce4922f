"""All settings of a run, grouped as the stages are: defaults in code, differences in YAML or `--set`."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import configs
from mapping.fusion.settings import FusionSettings
from mapping.slam.scale_settings import ScaleSettings
from mapping.slam.settings import TrackerSettings
from mapping.slam.view_selection import ViewSelectionSettings
from mapping.store.settings import StoreSettings
from streammtl.errors import ConfigError
from streammtl.models.settings import ModelSettings


class RunSettings(BaseModel):
    """How a recording becomes submaps and commits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    depth: Literal["auto", "sensor", "predicted"] = Field(
        "auto", description="depth to fuse: a sensor's where the recording has it (auto), only it, or only the model's"
    )
    keyframes_per_submap: int = Field(40, ge=2, description="keyframes after which a submap is closed")
    frames_per_submap: int = Field(3000, ge=10, description="frames after which a submap is closed, keyframes or not")
    commit_frames: int = Field(100, ge=1, description="frames between two commits of the map to disk")
    memory_gb: float = Field(
        2.0,
        ge=1,
        description="GB that the process with the map may take, 0.9 of it for libraries, network and images; submaps "
        "close earlier to keep it",
    )
    moving_classes: tuple[str, ...] = Field(
        ("person",), description="classes that move by themselves: where a model labels them, no depth is fused"
    )
    mask_tracking: bool = Field(
        False,
        description="ask the model for those classes at the keyframes of tracking too, and take no points there; "
        "costs a run of the network each",
    )
    surface: bool = Field(True, description="write the merged mesh into the map when the run ends")


class Settings(BaseModel):
    """Everything that can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tracker: TrackerSettings = TrackerSettings()
    view_selection: ViewSelectionSettings = ViewSelectionSettings()
    model: ModelSettings = ModelSettings()
    scale: ScaleSettings = ScaleSettings()
    fusion: FusionSettings = FusionSettings()
    store: StoreSettings = StoreSettings()
    run: RunSettings = RunSettings()


def load_settings(config: Path | None = None, overrides: list[str] | None = None) -> Settings:
    """Defaults, then the YAML file or preset, then overrides `group.name=value`.

    `tracker=given` is short for `tracker.name=given`.

    Raises: ConfigError naming the setting, what it may be, and the nearest known name.
    """
    values: dict[str, Any] = {}
    if config is not None:
        values = _read_yaml(config)
    for override in overrides or []:
        _apply(values, override)
    return settings_from(values)


def settings_from(values: dict[str, Any]) -> Settings:
    """Settings from nested plain values. Raises: ConfigError."""
    _refuse_unknown(values)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"setting {name} is {first['input']!r}: {message}. See `streammtl config`.") from error


def describe(settings: Settings) -> Iterator[tuple[str, Any, str, str]]:
    """(name, value, type, meaning) of every setting, in order."""
    for group in Settings.model_fields:
        values = getattr(settings, group)
        for name, field in type(values).model_fields.items():
            yield f"{group}.{name}", getattr(values, name), _kind(field.annotation), field.description or ""


def _kind(annotation: Any) -> str:
    """What a setting may be, in words: its choices, or its type."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " | ".join(str(choice.value) for choice in annotation)
    if get_origin(annotation) is Literal:
        return " | ".join(map(str, get_args(annotation)))
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(_kind(part) for part in get_args(annotation))
    return "none" if annotation is NoneType else getattr(annotation, "__name__", str(annotation))


def _read_yaml(path: Path) -> dict[str, Any]:
    presets = {p.stem: p for p in Path(configs.__file__).parent.glob("*.yaml")}
    path = presets.get(str(path), path)
    if not path.is_file():
        raise ConfigError(
            f"configuration file {path} does not exist. Give a YAML file or one of {', '.join(sorted(presets))}; "
            "`streammtl config` prints all settings."
        )
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds {type(values).__name__}, expected groups of settings such as `fusion:`.")
    return {
        group: {"name": value} if isinstance(value, str) and _has_name(group) else value
        for group, value in values.items()
    }


def _has_name(group: str) -> bool:
    field = Settings.model_fields.get(group)
    return field is not None and "name" in type(field.default).model_fields


def _apply(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator:
        raise ConfigError(f"--set {override!r} has no value; write --set group.name=value.")
    group, _, name = key.strip().partition(".")
    if not name:
        if not _has_name(group):
            raise ConfigError(_unknown(key, [g for g in Settings.model_fields if _has_name(g)] + _all_names()))
        name = "name"
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override!r}: {text!r} is not a value: {error}") from error
    inside = values.setdefault(group, {})
    if not isinstance(inside, dict):
        raise ConfigError(f"setting group {group} is {inside!r}, expected settings inside it.")
    inside[name] = value


def _all_names() -> list[str]:
    return [
        f"{group}.{name}" for group, field in Settings.model_fields.items() for name in type(field.default).model_fields
    ]


def _unknown(name: str, known: list[str]) -> str:
    inner = name.rpartition(".")[2]
    near = [k for k in known if k.rpartition(".")[2] == inner]  # the right word in the wrong group, or in none
    near = near or difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"setting {name!r} does not exist.{hint} `streammtl config` prints all settings."


def _refuse_unknown(values: dict[str, Any]) -> None:
    known = _all_names()
    for group, inside in values.items():
        if group not in Settings.model_fields:
            names = [f"{group}.{name}" for name in inside] if isinstance(inside, dict) else [group]
            raise ConfigError(_unknown(names[0], known + list(Settings.model_fields)))
        if not isinstance(inside, dict):
            raise ConfigError(f"setting group {group} is {inside!r}, expected settings inside it.")
        for name in inside:
            if f"{group}.{name}" not in known:
                raise ConfigError(_unknown(f"{group}.{name}", known))
