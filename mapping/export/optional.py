"""Libraries that only one format needs, loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from streammtl.errors import ConfigError


def optional(module: str, package: str, what: str) -> ModuleType:
    """A module of an optional package. Raises: ConfigError that says how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"{what} needs the package {package}, which is not installed ({error}). "
            f"Install it with: pip install {package}, or all such packages with: pip install 'streammtl[exports]'."
        ) from error
