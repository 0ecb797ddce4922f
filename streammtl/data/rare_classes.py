"""How often clips are drawn, so that rare classes are seen more often."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

STEP = 4  # pixels between those that are looked at, along rows and columns
LEAST_PIXELS = 8  # of them, that show a class; fewer are a corner of something
CLASSES = 256


def repeat_factors(labels: Iterable[np.ndarray], rare_below: float) -> np.ndarray:
    """f64 [N] >= 1, how often to draw each of N clips: the largest sqrt(rare_below / f) of the classes it shows, f
    being the share of clips that show the class.

    labels: class ids u8 [F,H,W] of every clip, 0 where unknown.
    Source: LVIS (arXiv 1908.03195), repeat factor sampling, of clips in place of images.
    """
    shown = np.stack([_shown(of_clip) for of_clip in labels])  # bool [N,CLASSES]
    share = shown.mean(0)
    factors = np.sqrt(np.maximum(rare_below / np.where(share > 0, share, 1), 1))
    return np.where(shown, factors, 1).max(1)


def _shown(labels: np.ndarray) -> np.ndarray:
    seen = np.bincount(np.asarray(labels[:, ::STEP, ::STEP]).ravel(), minlength=CLASSES) >= LEAST_PIXELS
    seen[0] = False
    return seen
