"""Models by name."""

from __future__ import annotations

from collections.abc import Callable

import torch

from streammtl.models.predictor import Predictor
from streammtl.models.settings import ModelSettings
from streammtl.registry import Registry

_MODELS = Registry[Predictor](
    "model",
    {
        "planesweep": "streammtl.models.planesweep",
        "cvm": "streammtl.models.cvm",
        "cvm-lite": "streammtl.models.cvm_lite",
        "m2h": "streammtl.models.m2h",
        "m2h-small": "streammtl.models.m2h",
        "m2h-lite": "streammtl.models.m2h",
        "m2h-cvm": "streammtl.models.m2h",
        "stablemtl": "streammtl.models.stablemtl",
        "stablemtl-single": "streammtl.models.stablemtl",
    },
)
model_names = _MODELS.names


def register_model(name: str) -> Callable[[type[Predictor]], type[Predictor]]:
    """Class decorator that makes a Predictor available as `name`; its constructor takes a ModelSettings."""

    def register(model: type[Predictor]) -> type[Predictor]:
        _MODELS.register(name)(model)
        model.name = name
        return model

    return register


def model_class(name: str) -> type[Predictor]:
    """The class of a model, which knows its tasks, label space and depth scale without being built.

    Raises: ConfigError for an unknown name.
    """
    return _MODELS.find(name)


def build_model(settings: ModelSettings) -> Predictor:
    """The model that the settings ask for, ready to predict.

    Raises: ConfigError for an unknown name or device; CheckpointError for missing, damaged or untrained weights.
    """
    model = model_class(settings.name)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    return model(settings)
