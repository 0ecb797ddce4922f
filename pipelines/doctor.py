"""`streammtl doctor`: what this machine has and lacks."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import streammtl  # noqa: F401  before pycolmap

SYSTEM_LIBRARIES = "libusb-1.0-0 libegl1 libgl1 libx11-6 libgomp1"
MODULES = ("numpy", "torch", "timm", "cv2", "av", "numba", "scipy", "zarr", "pycolmap", "open3d", "ray")


@dataclass
class Finding:
    """One thing looked at."""

    what: str
    ok: bool
    found: str
    remedy: str = ""
    optional: bool = False

    @property
    def mark(self) -> str:
        return "ok" if self.ok else "-" if self.optional else "MISSING"

    @property
    def advice(self) -> str:
        return "" if self.ok or not self.remedy else f". {self.remedy}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def examine() -> list[Finding]:
    """Looks at everything a run needs; nothing is changed."""
    return [_python(), _cores(), _memory(), _disk(), _shared_memory(), *map(_module, MODULES), _gpu()]


def _python() -> Finding:
    version = platform.python_version_tuple()
    return Finding(
        "Python", (int(version[0]), int(version[1])) >= (3, 11), platform.python_version(), "Use 3.11 or newer"
    )


def _cores() -> Finding:
    return Finding("processor cores", True, str(os.cpu_count()))


def _memory() -> Finding:
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return Finding("memory", gigabytes >= 3.5, f"{gigabytes:.1f} GB", "4 GB are needed; use --local to save some")


def _disk() -> Finding:
    free = shutil.disk_usage(os.getcwd()).free / 1e9
    return Finding("free disk here", free >= 1, f"{free:.1f} GB", "A map takes about 0.1 GB a minute; free some space")


def _shared_memory() -> Finding:
    """Decoded frames cross between processes through it, and so do Ray's objects."""
    folder = "/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir()
    free = shutil.disk_usage(folder).free / 1e9
    remedy = "At least 0.6 GB are needed: in a container give --shm-size=1g, or use --local"
    return Finding("shared memory", free >= 0.6, f"{free:.1f} GB in {folder}", remedy, optional=True)


def _module(name: str) -> Finding:
    if name in ("timm", "torchvision"):
        from streammtl.torchvision_shim import ensure_torchvision_importable

        ensure_torchvision_importable()
    try:
        module = importlib.import_module(name)
    except Exception as error:  # a broken native library can raise anything
        remedy = "Install it again: pip install --force-reinstall streammtl"
        if name == "open3d":
            remedy = f"It needs system libraries: apt-get install --no-install-recommends {SYSTEM_LIBRARIES}"
        return Finding(name, False, f"does not import ({type(error).__name__}: {error})", remedy)
    return Finding(name, True, str(getattr(module, "__version__", "present")))


def _gpu() -> Finding:
    torch: Any = importlib.import_module("torch")
    check: Callable[[], bool] = torch.cuda.is_available
    if check():
        return Finding("GPU", True, torch.cuda.get_device_name(0))
    return Finding("GPU", False, "none; models and fusion run on the processor", optional=True)
