"""Models by name."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable

import torch

from streammtl.errors import ConfigError
from streammtl.models.predictor import Predictor
from streammtl.models.settings import ModelSettings

# Imported only when asked for, so that one model's dependencies do not slow down the start of another.
BUILT_IN = {
    "planesweep": "streammtl.models.planesweep",
    "cvm": "streammtl.models.cvm",
    "cvm-lite": "streammtl.models.cvm_lite",
    "m2h": "streammtl.models.m2h",
    "m2h-small": "streammtl.models.m2h",
    "m2h-cvm": "streammtl.models.m2h",
    "stablemtl": "streammtl.models.stablemtl",
    "stablemtl-single": "streammtl.models.stablemtl",
}

_MODELS: dict[str, type[Predictor]] = {}


def register_model(name: str) -> Callable[[type[Predictor]], type[Predictor]]:
    """Class decorator that makes a Predictor available as `name`; its constructor takes a ModelSettings."""

    def register(model: type[Predictor]) -> type[Predictor]:
        known = _MODELS.get(name)
        if known is not None and known.__qualname__ != model.__qualname__:
            raise ConfigError(f"model name {name!r} is taken by {known.__qualname__}; register under another name.")
        model.name = name
        _MODELS[name] = model
        return model

    return register


def model_names() -> tuple[str, ...]:
    """All names that build_model takes."""
    return tuple(sorted({*BUILT_IN, *_MODELS}))


def model_class(name: str) -> type[Predictor]:
    """The class of a model, which knows its tasks, label space and depth scale without being built.

    Raises: ConfigError for an unknown name.
    """
    if name not in _MODELS and name in BUILT_IN:
        importlib.import_module(BUILT_IN[name])
    if name not in _MODELS:
        near = difflib.get_close_matches(name, model_names(), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(model_names())}."
        raise ConfigError(f"model {name!r} is unknown; {hint}")
    return _MODELS[name]


def build_model(settings: ModelSettings) -> Predictor:
    """The model that the settings ask for, ready to predict.

    Raises: ConfigError for an unknown name or device; CheckpointError for missing, damaged or untrained weights.
    """
    model = model_class(settings.name)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    return model(settings)
