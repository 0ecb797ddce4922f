"""Images and depth maps as files: finding, ordering and reading them, and noticing damaged ones."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

A = TypeVar("A")
B = TypeVar("B")


class DamagedImageError(Exception):
    """An image file holds no usable image; the message says why."""


def natural_order(path: Path) -> list[tuple[int, int, str]]:
    """Sort key that puts frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part), part) if part.isdigit() else (1, 0, part) for part in parts if part]


def images_in(folder: Path) -> list[Path]:
    """Image files of a folder, in natural order of their names."""
    found = (path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    return sorted((path for path in found if not path.name.startswith(".")), key=natural_order)


def read_image(path: Path) -> np.ndarray:
    """u8 [H,W,3] RGB, upright by its EXIF orientation. Raises: DamagedImageError."""
    return cv2.cvtColor(_decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_depth(path: Path, units_per_metre: float) -> np.ndarray:
    """f32 [H,W] metres from a 16-bit image; 0 and 65535 mean invalid and become 0. Raises: DamagedImageError."""
    raw = _decode(path, cv2.IMREAD_UNCHANGED)
    if raw.ndim != 2 or raw.dtype != np.uint16:
        raise DamagedImageError(f"{path.name} is not a 16-bit single-channel depth image")
    depth_m = raw.astype(np.float32) / np.float32(units_per_metre)
    depth_m[raw == 65535] = 0
    return depth_m


def _decode(path: Path, flags: int) -> np.ndarray:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DamagedImageError(f"{path.name} cannot be read ({error.strerror})") from error
    if not data:
        raise DamagedImageError(f"{path.name} is empty")
    if not _is_complete(data):
        raise DamagedImageError(f"{path.name} is cut off")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise DamagedImageError(f"{path.name} is no image that can be decoded")
    return image


def _is_complete(data: bytes) -> bool:
    """Whether JPEG and PNG data reach their end mark; decoders fill the missing part with grey and do not complain."""
    if data.startswith(b"\x89PNG"):
        return b"IEND" in data
    if not data.startswith(b"\xff\xd8"):
        return True
    position = 2
    while marker := _JPEG_MARKER.search(data, position):
        if marker.group() == b"\xff\xd9":
            return True
        position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return False


def read_ahead(read: Callable[[A], B], wanted: Iterable[A], depth: int = 4) -> Iterator[B]:
    """Results of `read` in order, the next few being read by a thread meanwhile."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting: deque[Future[B]] = deque()
        try:
            for item in wanted:
                waiting.append(pool.submit(read, item))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
