"""How damage on the disk shows, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mapping.store.place import Place
from streammtl.errors import StoreError

# what a damaged file raises from Zarr and its codecs
DAMAGE = (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError)


def damaged(place: Place, what: str) -> StoreError:
    """The error of a map that holds less than its root promises."""
    return StoreError(
        f"the map {place} is damaged: {what}. `streammtl verify` lists what is damaged and what is good; "
        "`streammtl repair` saves all that is good into a new map."
    )


@contextmanager
def reading(place: Place, what: str) -> Iterator[None]:
    """Turns whatever a damaged file raises into StoreError."""
    try:
        yield
    except StoreError:
        raise
    except (*DAMAGE, *place.errors) as error:
        raise damaged(place, f"{what} cannot be read ({first_line(error)})") from error


def first_line(error: BaseException) -> str:
    """What an error says, without the pages that some libraries add."""
    return str(error).partition("\n")[0]
