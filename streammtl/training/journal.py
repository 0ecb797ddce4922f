"""What a training says of itself: a log of JSON lines, TensorBoard events where that is installed, a progress line."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


class Journal:
    """Appends to folder/log.jsonl and, with the tensorboard package, to folder/tensorboard."""

    def __init__(self, folder: Path, talk: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "log.jsonl").open("a")
        self._events = _event_writer(folder / "tensorboard")
        self._talk = talk

    def write(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """One line {"kind", "step", "time_s", ...}; numbers become events too."""
        line = {"kind": kind, "step": step, "time_s": round(time.time(), 1)} | values
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._events is not None:
            for name, value in values.items():
                if isinstance(value, int | float):
                    self._events.add_scalar(f"{kind}/{name}", value, step)

    def say(self, text: str) -> None:
        """A line for people."""
        if self._talk:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def close(self) -> None:
        self._file.close()
        if self._events is not None:
            self._events.close()


def _event_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # optional
        return None
    return SummaryWriter(str(folder))


def duration(seconds: float) -> str:
    """Seconds as people say them: 45 s, 12 min, 3 h 20 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
