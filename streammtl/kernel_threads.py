"""Which threads numba's loops run in. Imported before any loop runs."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numba

import streammtl  # noqa: F401  says how threads wait, before their library is loaded


def _threading_layer() -> str:
    """OpenMP where its library is there; numba's own queue otherwise, which must not be entered from two threads.

    Numba's first choice, TBB, is out: Open3D brings one that numba refuses.
    """
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        return "workqueue"
    return "omp"


if "NUMBA_THREADING_LAYER" not in os.environ:
    numba.config.THREADING_LAYER = _threading_layer()


@contextmanager
def at_most(threads: int) -> Iterator[None]:
    """Loops that this thread starts inside run in at most so many."""
    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, before))
    try:
        yield
    finally:
        numba.set_num_threads(before)
