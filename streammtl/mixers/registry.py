"""Task mixers by name."""

from __future__ import annotations

from streammtl.mixers.task_mixer import MixerSettings, TaskMixer
from streammtl.registry import Registry

_MIXERS = Registry[TaskMixer](
    "task mixer",
    {
        "wmca": "streammtl.mixers.windowed_attention",
        "ggfm": "streammtl.mixers.global_gate",
        "one_to_n": "streammtl.mixers.one_to_n",
    },
)
register_mixer = _MIXERS.register  # of names without +, which stands between those of a sum
mixer_names = _MIXERS.names


def build_mixer(
    name: str, tasks: tuple[str, ...], width: int, context_channels: int, settings: MixerSettings
) -> TaskMixer:
    """The mixer of that name, or several side by side: "wmca+ggfm".

    Raises: ConfigError for an unknown name, or settings that do not fit the width.
    """
    parts = [_MIXERS.find(part)(tasks, width, context_channels, settings) for part in name.split("+")]
    if len(parts) == 1:
        return parts[0]
    from streammtl.mixers.side_by_side import SideBySide

    return SideBySide(parts, tasks, width)
