"""Data sets by name. Perception reads rendered clips; what needs decoders of pictures registers from pipelines."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from streammtl.data.clip_pool import ClipPool
from streammtl.data.footage import FootageSource
from streammtl.data.sets.mixture import Mixture
from streammtl.data.sets.settings import CLIPS, DataSetSettings, DataSource
from streammtl.errors import ConfigError

Opener = Callable[[DataSetSettings], FootageSource]

_OPENERS: dict[str, Opener] = {}


def register_data_set(name: str) -> Callable[[Opener], Opener]:
    """Decorator that makes a data set available by its name; raises ConfigError where the name is taken."""

    def register(opener: Opener) -> Opener:
        if _OPENERS.setdefault(name, opener) is not opener:
            raise ConfigError(f"data set {name!r} is registered already; choose another name.")
        return opener

    return register


def data_set_names() -> tuple[str, ...]:
    """All names that open_source takes here and now."""
    return tuple(sorted(_OPENERS))


def open_source(source: DataSource) -> FootageSource:
    """A folder of clips, one data set, or a mixture of several.

    Raises: ConfigError for an unknown name; DataError where the data are missing or not in the expected layout.
    """
    if isinstance(source, Path):
        return ClipPool(source)
    if not source:
        raise ConfigError("no data set is named; give a folder of clips, or data sets with name and root.")
    opened = [_opener(chosen.name)(chosen) for chosen in source]
    return opened[0] if len(opened) == 1 else Mixture(opened, [chosen.share for chosen in source])


def _opener(name: str) -> Opener:
    if name not in _OPENERS:
        near = difflib.get_close_matches(name, data_set_names(), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(data_set_names())}."
        raise ConfigError(
            f"data set {name!r} is unknown; {hint} Data sets of pictures are read by `streammtl train`, which brings "
            "their decoders; python -m streammtl.training reads clips only."
        )
    return _OPENERS[name]


@register_data_set(CLIPS)
def _clips(settings: DataSetSettings) -> FootageSource:
    if settings.far_m is not None:
        raise ConfigError("data set clips takes no far_m: its depth is exact however far; leave it out.")
    return ClipPool(settings.root, settings.tasks, settings.rare_below)
