"""Stopping in good order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class StopRequest:
    """Set by Ctrl-C or a polite kill: nothing more is begun, and what is under way is finished."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def __bool__(self) -> bool:
        return self.event.is_set()

    @contextmanager
    def on_interrupt(self) -> Iterator[StopRequest]:
        """The first SIGINT or SIGTERM asks to stop; the second one stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return

        def ask(number: int, _frame: Any) -> None:
            if self.event.is_set():
                raise KeyboardInterrupt
            self.event.set()

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
