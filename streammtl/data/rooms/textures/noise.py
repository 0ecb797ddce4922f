"""Noise that repeats without a seam, the raw stuff of all textures."""

from __future__ import annotations

import numpy as np

SIZE_PX = 256


def cloud(feature_px: float, seed: int, roughness: float = 1.0, size: int = SIZE_PX) -> np.ndarray:
    """Band-limited noise f32 [size,size], zero mean, unit deviation.

    `feature_px` is the size of the largest blobs; `roughness` the falloff of the amplitude towards small ones.
    """
    return streaks(feature_px, feature_px, seed, roughness, size)


def streaks(along_px: float, across_px: float, seed: int, roughness: float = 1.0, size: int = SIZE_PX) -> np.ndarray:
    """As `cloud`, with blobs `along_px` long in x and `across_px` in y."""
    rng = np.random.default_rng(seed)
    fy = np.fft.fftfreq(size)[:, None] * across_px
    fx = np.fft.rfftfreq(size)[None, :] * along_px
    frequency = np.hypot(fy, fx)
    gain = np.where(frequency < 0.25, 0.0, 1.0 / np.maximum(frequency, 0.5) ** (1.0 + roughness))
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size), np.float32)) * gain, (size, size))
    return ((noise - noise.mean()) / max(float(noise.std()), 1e-9)).astype(np.float32)


def relief(height: np.ndarray, strength: float) -> np.ndarray:
    """Brightness factor of a bumpy surface lit from the upper left; mean about 1."""
    across = np.roll(height, -1, axis=1) - np.roll(height, 1, axis=1)
    down = np.roll(height, -1, axis=0) - np.roll(height, 1, axis=0)
    return np.clip(1.0 + strength * (across + down), 0.5, 1.4)


def grid() -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns in 0..1, f32 [SIZE_PX,SIZE_PX] each."""
    steps = (np.arange(SIZE_PX, dtype=np.float32) + 0.5) / SIZE_PX
    return np.broadcast_to(steps[:, None], (SIZE_PX, SIZE_PX)), np.broadcast_to(steps, (SIZE_PX, SIZE_PX))


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """sRGB u8 [h,w,3] of values in 0..1, [h,w] or [h,w,3]."""
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    return np.ascontiguousarray(np.round(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8))
