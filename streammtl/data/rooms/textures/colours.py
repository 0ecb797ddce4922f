"""Colours as they occur indoors: many whites, greys and browns, some strong ones. Linear RGB unless said otherwise."""

from __future__ import annotations

import colorsys

import numpy as np

Colour = tuple[float, float, float]


def to_linear(srgb: np.ndarray | Colour) -> Colour:
    """Linear value of sRGB 0..1."""
    values = np.asarray(srgb, np.float64)
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return tuple(float(v) for v in np.clip(linear, 0.0, 1.0))


def _hsv(hue: float, saturation: float, value: float) -> Colour:
    return to_linear(colorsys.hsv_to_rgb(hue % 1.0, float(np.clip(saturation, 0, 1)), float(np.clip(value, 0, 1))))


def white(rng: np.random.Generator) -> Colour:
    """Whites and creams as paint has them."""
    return _hsv(rng.uniform(0.05, 0.2), abs(rng.normal(0, 0.05)), rng.uniform(0.82, 1.0))


def grey(rng: np.random.Generator) -> Colour:
    """Any grey, a little warm or cold."""
    return _hsv(rng.choice([0.08, 0.6]), abs(rng.normal(0, 0.05)), rng.uniform(0.25, 0.85))


def dark(rng: np.random.Generator) -> Colour:
    """Blacks and near-blacks."""
    return _hsv(rng.random(), abs(rng.normal(0, 0.15)), rng.uniform(0.06, 0.28))


def brown(rng: np.random.Generator) -> Colour:
    """Colours of wood, from maple to wenge."""
    return _hsv(rng.normal(0.075, 0.015), rng.uniform(0.3, 0.7), rng.choice([0.9, 0.75, 0.6, 0.4, 0.25]))


def pastel(rng: np.random.Generator) -> Colour:
    """Light, weak colours."""
    return _hsv(rng.random(), rng.uniform(0.06, 0.3), rng.uniform(0.7, 0.98))


def muted(rng: np.random.Generator) -> Colour:
    """Colours of cloth and carpets."""
    return _hsv(rng.random(), rng.uniform(0.15, 0.55), rng.uniform(0.2, 0.8))


def vivid(rng: np.random.Generator) -> Colour:
    """Strong colours of plastic, print and lacquer."""
    hue = rng.choice([0.0, 0.0, 0.02, 0.08, 0.14, 0.14, 0.33, 0.4, 0.55, 0.58, 0.6, 0.63, 0.9]) + rng.normal(0, 0.015)
    return _hsv(hue, rng.uniform(0.65, 1.0), rng.uniform(0.45, 0.95))


def green(rng: np.random.Generator) -> Colour:
    """Leaves."""
    return _hsv(rng.normal(0.27, 0.04), rng.uniform(0.4, 0.85), rng.uniform(0.2, 0.6))


def skin(rng: np.random.Generator) -> Colour:
    """Human skin."""
    return _hsv(rng.normal(0.06, 0.01), rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.9))


KINDS = (white, grey, dark, brown, pastel, muted, vivid)


def thing(rng: np.random.Generator) -> Colour:
    """The colour of any small thing."""
    return KINDS[rng.choice(7, p=(0.22, 0.15, 0.15, 0.1, 0.1, 0.12, 0.16))](rng)
