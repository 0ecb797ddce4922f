"""The C heap keeps what was freed. A long run hands it back, so that memory follows what is held, not what once was."""

from __future__ import annotations

import ctypes
import functools
import sys

M_ARENA_MAX = -8  # glibc's mallopt(3)
ARENAS = 2  # one per thread, the default, leaves a share of freed voxels and images in each


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    """None where the C library is another one, which needs no such help or offers none."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None


def share_arenas() -> None:
    """From now on threads of this process share few arenas. Does nothing without glibc."""
    if (library := _glibc()) is not None:
        library.mallopt(M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Returns free pages of the heap to the system: some milliseconds. Does nothing without glibc."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)
