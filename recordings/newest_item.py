"""A mailbox of one place: who comes late gets the newest, and what it missed is counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from streammtl.views import Frame, SkippedFrame

Item = Frame | SkippedFrame


class NewestItem:
    """Hands items from one producing thread to one consumer, dropping those that were replaced in between."""

    def __init__(self, on_drop: Callable[[], None]) -> None:
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._ended = False
        self._error: BaseException | None = None
        self._on_drop = on_drop

    def put(self, item: Item) -> None:
        """Takes the place of an item that nobody has fetched; a skipped frame does not take that of a good one."""
        with self._changed:
            if self._item is not None:
                self._on_drop()
            if isinstance(item, Frame) or not isinstance(self._item, Frame):
                self._item = item
            self._changed.notify()

    def end(self, error: BaseException | None = None) -> None:
        """No more items; an error is raised at the consumer, after what is still there."""
        with self._changed:
            self._ended = True
            self._error = error
            self._changed.notify()

    def items(self) -> Iterator[Item]:
        """Items as they come, until the end."""
        while True:
            with self._changed:
                while self._item is None and not self._ended:
                    self._changed.wait(0.5)
                item, self._item = self._item, None
                if item is None:
                    if self._error is not None:
                        raise self._error
                    return
            yield item
