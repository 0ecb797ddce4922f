"""Classes that are asked for by name."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from typing import Generic, TypeVar

from streammtl.errors import ConfigError

Thing = TypeVar("Thing")


class Registry(Generic[Thing]):
    """Classes of one kind by name.

    Modules of built-in ones are imported only when asked for, so that one's dependencies do not slow down the start of
    another.
    """

    def __init__(self, kind: str, built_in: dict[str, str]) -> None:
        """`kind` is what messages call a member; `built_in` gives the module that registers each name."""
        self._kind = kind
        self._built_in = built_in
        self._known: dict[str, type[Thing]] = {}

    def register(self, name: str) -> Callable[[type[Thing]], type[Thing]]:
        """Class decorator that makes a class available as `name`. Raises: ConfigError where the name is taken."""

        def register(thing: type[Thing]) -> type[Thing]:
            known = self._known.setdefault(name, thing)
            if known.__qualname__ != thing.__qualname__:
                raise ConfigError(
                    f"{self._kind} name {name!r} is taken by {known.__qualname__}; register under another name."
                )
            self._known[name] = thing
            return thing

        return register

    def names(self) -> tuple[str, ...]:
        """All names that `find` takes."""
        return tuple(sorted({*self._built_in, *self._known}))

    def find(self, name: str) -> type[Thing]:
        """The class of that name. Raises: ConfigError for an unknown one, with the nearest name."""
        if name not in self._known and name in self._built_in:
            importlib.import_module(self._built_in[name])
        if name not in self._known:
            near = difflib.get_close_matches(name, self.names(), 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(self.names())}."
            raise ConfigError(f"{self._kind} {name!r} is unknown; {hint}")
        return self._known[name]
