"""Loops compiled by numba, where it is installed: what trains on a GPU does without."""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor

from streammtl.crossview.tracing import values_are_unknown


def compiled_loops(values: Tensor) -> ModuleType | None:
    """The compiled loops of the sweep, where numba is installed and they can take such values; else PyTorch does it."""
    plain = values.device.type == "cpu" and values.dtype == torch.float32 and not values.requires_grad
    if not plain or values_are_unknown(values) or torch.compiler.is_compiling():
        return None
    try:
        from streammtl.crossview import sweep_kernels
    except ImportError:
        return None
    return sweep_kernels
