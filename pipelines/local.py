"""Stages in this very process, one step after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any


class LocalExecutor:
    """Runs stages where the caller runs. The Ray executor has the same four verbs."""

    name = "local"

    def __init__(self) -> None:
        self._stages: list[Any] = []

    def start(self, stage: Callable[..., Any], *args: Any) -> Any:
        """Builds a stage; the result is a handle for `call` and `map`."""
        self._stages.append(stage(*args))
        return self._stages[-1]

    def call(self, handle: Any, verb: str, *args: Any) -> Any:
        """Calls one verb of a stage and waits for the answer."""
        return getattr(handle, verb)(*args)

    def map(
        self,
        handle: Any,
        verb: str,
        items: Iterable[Any],
        *,
        in_flight: int,
        relieve: Callable[[Any], Any] | None = None,
    ) -> Iterator[tuple[Any, Any]]:
        """(item, answer) for every item, in order; each is answered before the next is taken, so none is relieved."""
        for item in items:
            yield item, self.call(handle, verb, item)

    def stop(self) -> None:
        """Lets go of all stages; those that hold files close them."""
        for stage in self._stages:
            if hasattr(stage, "close"):
                stage.close()
        self._stages.clear()
