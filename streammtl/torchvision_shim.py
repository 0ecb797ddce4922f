"""Makes torchvision, and timm and others that import it, importable beside a PyTorch without CUDA."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import torch

_KEPT: list[torch.library.Library] = []  # declarations vanish with the object that made them


def ensure_torchvision_importable() -> str:
    """Call before the first `import timm` or `import torchvision`; more calls do no harm.

    The torchvision of PyPI is built for CUDA. Beside a CPU-only PyTorch its native library does not load, and its
    import then fails while it describes operators that nobody declared. This declares them, by the names that
    torchvision's own file uses; calling one of them still raises. Does nothing where the native library loads.

    Returns: imported | absent | native | declared, for logs.
    """
    if "torchvision" in sys.modules:
        return "imported"
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return "absent"
    root = Path(spec.origin).parent
    if any(_loads(library) for pattern in ("_C*.so", "_C*.pyd") for library in root.glob(pattern)):
        return "native"
    if not _KEPT:
        _declare_operators(root / "_meta_registrations.py")
    return "declared"


def _loads(library: Path) -> bool:
    try:
        torch.ops.load_library(str(library))
    except (OSError, ImportError):
        return False
    return True


def _declare_operators(registrations: Path) -> None:
    source = registrations.read_text() if registrations.exists() else ""
    names = re.findall(r'register_fake\(\s*"torchvision::(\w+)"', source)
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in dict.fromkeys(names):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEPT.append(library)
