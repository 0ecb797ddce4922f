"""Tone mapping of linear images, and what is left of them when albedo is taken out."""

from __future__ import annotations

import numpy as np

GAMMA = 2.2
BRIGHT_PERCENTILE, BRIGHT_LEVEL = 90, 0.8  # this share of the pixels shall come out no brighter than that
DARKEST = 1e-4


def brightness(colours: np.ndarray) -> np.ndarray:
    """[H,W] of red, green, blue [H,W,3] (CCIR 601)."""
    return colours @ np.array([0.3, 0.59, 0.11], colours.dtype)


def tone_scale(linear: np.ndarray, counted: np.ndarray) -> float:
    """The factor that takes the 90th percentile of brightness to 0.8 after gamma; 0 for a black image.

    Shapes: linear [H,W,3]; counted bool [H,W]. Source: Hypersim (arXiv 2011.02523), its own tone mapping.
    """
    if not counted.any():
        return 1.0
    bright = float(np.percentile(brightness(linear)[counted], BRIGHT_PERCENTILE))
    return 0.0 if not bright > DARKEST else BRIGHT_LEVEL**GAMMA / bright


def tone_mapped(linear: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """The image in 0..1 as it is shown."""
    return np.clip(np.maximum(tone_scale(linear, counted) * linear, 0) ** (1 / GAMMA), 0, 1)
