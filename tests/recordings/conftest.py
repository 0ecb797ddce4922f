"""Videos and images whose frames carry their number as black and white fields, which survive lossy coding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

BITS = 8


def numbered_image(number: int, width: int = 128, height: int = 96) -> np.ndarray:
    """u8 [H,W,3] RGB: upper half the number in binary (most significant left), lower half red, green, blue."""
    image = np.zeros((height, width, 3), np.uint8)
    field = width // BITS
    for bit in range(BITS):
        if number >> (BITS - 1 - bit) & 1:
            image[: height // 2, bit * field : (bit + 1) * field] = 235
    for channel in range(3):
        image[height // 2 :, channel * width // 3 : (channel + 1) * width // 3, channel] = 200
    return image


def number_of(image: np.ndarray) -> int:
    """The number that `numbered_image` wrote."""
    height, width = image.shape[:2]
    field = width // BITS
    row = image[height // 8 : height * 3 // 8].mean(axis=(0, 2))
    bits = [row[bit * field + field // 4 : (bit + 1) * field - field // 4].mean() > 120 for bit in range(BITS)]
    return int("".join("01"[int(bit)] for bit in bits), 2)


@pytest.fixture
def numbered() -> Callable[..., np.ndarray]:
    return numbered_image


@pytest.fixture
def number() -> Callable[[np.ndarray], int]:
    return number_of


@pytest.fixture
def write_video() -> Callable[..., Path]:
    """Writes numbered frames as a video. `milliseconds`: presentation times, evenly 40 ms apart by default."""

    def write(
        path: Path,
        count: int = 30,
        *,
        milliseconds: Sequence[int] | None = None,
        size: tuple[int, int] = (128, 96),
        codec: str = "libx264",
        pixels: str = "yuv420p",
        options: dict[str, str] | None = None,
        rotation: int = 0,
        container_options: dict[str, str] | None = None,
    ) -> Path:
        times = list(milliseconds) if milliseconds is not None else [40 * k for k in range(count)]
        with av.open(str(path), "w", options=container_options or {}) as container:
            stream = container.add_stream(codec, rate=25, options=options or {})
            stream.width, stream.height = size
            stream.pix_fmt = pixels
            stream.codec_context.time_base = Fraction(1, 1000)
            stream.time_base = Fraction(1, 1000)
            if rotation:
                stream.set_display_rotation(rotation)
            for k, time in enumerate(times):
                frame = av.VideoFrame.from_ndarray(numbered_image(k, *size), format="rgb24")
                frame.pts, frame.time_base = time, Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture
def write_image() -> Callable[[Path, np.ndarray], Path]:
    """Writes an RGB image or a 16-bit depth image."""

    def write(path: Path, image: np.ndarray) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        stored = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
        coded = cv2.imencode(path.suffix, stored)[1]
        path.write_bytes(coded.tobytes())
        return path

    return write
