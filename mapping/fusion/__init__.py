"""Depth, colour and label evidence of posed frames become voxel blocks."""

import ctypes as _ctypes
import os as _os

import numba as _numba

import streammtl as _streammtl  # noqa: F401  says how threads wait, before their library is loaded


def _threading_layer() -> str:
    """OpenMP where its library is there; numba's own queue otherwise, which must not be entered from two threads.

    Numba's first choice, TBB, is out: Open3D brings one that numba refuses.
    """
    try:
        _ctypes.CDLL("libgomp.so.1")
    except OSError:
        return "workqueue"
    return "omp"


if "NUMBA_THREADING_LAYER" not in _os.environ:
    _numba.config.THREADING_LAYER = _threading_layer()
