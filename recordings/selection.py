"""Which frames of a source are given out."""

from __future__ import annotations

from dataclasses import dataclass

from streammtl.errors import ConfigError


@dataclass(frozen=True)
class Selection:
    """Every `stride`-th position of the source, `max_frames` of them at most.

    Positions are multiples of the stride whatever the start, so that a resumed reading gives the tail of a full one.
    Raises: ConfigError when stride or max_frames is below 1.
    """

    stride: int = 1
    max_frames: int | None = None

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise ConfigError(f"stride is {self.stride}; it counts frames and starts at 1 (every frame).")
        if self.max_frames is not None and self.max_frames < 1:
            raise ConfigError(f"max_frames is {self.max_frames}; give at least 1, or leave it out to read everything.")

    @property
    def stop(self) -> int | None:
        """First position that is not given any more, or None."""
        return None if self.max_frames is None else self.max_frames * self.stride

    def positions(self, start: int, count: int) -> range:
        """Positions >= start that are given out of a source of `count` frames."""
        first = -(-max(start, 0) // self.stride) * self.stride
        return range(first, count if self.stop is None else min(count, self.stop), self.stride)

    def count(self, total: int | None) -> int | None:
        """How many frames are given out of `total`; None when that is unknown."""
        return None if total is None else len(self.positions(0, total))
