"""Task mixers by name."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable

from streammtl.errors import ConfigError
from streammtl.mixers.task_mixer import MixerSettings, TaskMixer

BUILT_IN = {
    "wmca": "streammtl.mixers.windowed_attention",
    "ggfm": "streammtl.mixers.global_gate",
    "one_to_n": "streammtl.mixers.one_to_n",
}

_MIXERS: dict[str, type[TaskMixer]] = {}


def register_mixer(name: str) -> Callable[[type[TaskMixer]], type[TaskMixer]]:
    """Class decorator that makes a TaskMixer available as `name`. Raises: ConfigError where the name is taken."""

    def register(mixer: type[TaskMixer]) -> type[TaskMixer]:
        known = _MIXERS.get(name)
        if "+" in name or (known is not None and known.__qualname__ != mixer.__qualname__):
            raise ConfigError(f"task mixer {name!r} is taken, or has a + in it; register under another name.")
        _MIXERS[name] = mixer
        return mixer

    return register


def mixer_names() -> tuple[str, ...]:
    """All registered mixers; build_mixer takes sums of them as well."""
    return tuple(sorted({*BUILT_IN, *_MIXERS}))


def build_mixer(
    name: str, tasks: tuple[str, ...], width: int, context_channels: int, settings: MixerSettings
) -> TaskMixer:
    """The mixer of that name, or several side by side: "wmca+ggfm".

    Raises: ConfigError for an unknown name, or settings that do not fit the width.
    """
    parts = [_mixer_class(part)(tasks, width, context_channels, settings) for part in name.split("+")]
    if len(parts) == 1:
        return parts[0]
    from streammtl.mixers.side_by_side import SideBySide

    return SideBySide(parts, tasks, width)


def _mixer_class(name: str) -> type[TaskMixer]:
    if name not in _MIXERS and name in BUILT_IN:
        importlib.import_module(BUILT_IN[name])
    if name not in _MIXERS:
        near = difflib.get_close_matches(name, mixer_names(), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"use none, or a sum of {', '.join(mixer_names())}."
        raise ConfigError(f"task mixer {name!r} is unknown; {hint}")
    return _MIXERS[name]
