"""Procedural textures of the room's own surfaces: plaster, wallpaper, floor boards, fabric, leather, wood.

Every function returns sRGB values [height, width, 3] in 0..1; row 0 is the top. Seeds make them repeatable.
"""

from __future__ import annotations

import cv2
import numpy as np

Array = np.ndarray


def cloud(height: int, width: int, feature_px: float, seed: int, roughness: float = 1.0) -> Array:
    """Tileable band-limited noise [height, width], zero mean, unit deviation.

    `feature_px` is the size of the largest blobs; `roughness` is the falloff of the amplitude towards small ones.
    """
    rng = np.random.default_rng(seed)
    fy = np.fft.fftfreq(height)[:, None]
    fx = np.fft.rfftfreq(width)[None, :]
    frequency = np.hypot(fy, fx) * feature_px
    gain = np.where(frequency < 0.25, 0.0, 1.0 / np.maximum(frequency, 0.5) ** (1.0 + roughness))
    spectrum = np.fft.rfft2(rng.standard_normal((height, width))) * gain
    noise = np.fft.irfft2(spectrum, (height, width))
    return (noise - noise.mean()) / noise.std()


def tinted(value: Array, colour: tuple[float, float, float]) -> Array:
    return np.clip(value[..., None] * np.array(colour), 0.0, 1.0)


def relief(height: Array, strength: float) -> Array:
    """Brightness factor of a bumpy surface lit from the upper left; mean about 1."""
    across = np.roll(height, -1, axis=1) - np.roll(height, 1, axis=1)
    down = np.roll(height, -1, axis=0) - np.roll(height, 1, axis=0)
    return np.clip(1.0 + strength * (across + down), 0.55, 1.4)


def plaster(height: int, width: int, colour: tuple[float, float, float], seed: int) -> Array:
    """Hand-trowelled plaster: soft stains, trowel strokes and grain. Meant for about 3 mm per pixel."""
    stains = cloud(height, width, 260.0, seed, 0.6)
    strokes = cv2.GaussianBlur(cloud(height, width, 40.0, seed + 1, 0.3), (0, 0), sigmaX=5.0, sigmaY=1.2)
    strokes /= strokes.std()
    grain = cloud(height, width, 9.0, seed + 2, 0.1)
    value = 1.0 + 0.022 * stains + 0.02 * strokes + 0.014 * grain
    value *= relief(cloud(height, width, 26.0, seed + 3, 0.5), 0.05)
    warm = 0.008 * cloud(height, width, 180.0, seed + 4, 0.5)
    shade = tinted(value, colour)
    shade[..., 2] -= warm
    return np.clip(shade, 0.0, 1.0)


def _leaf_outline(length: float, width: float, bend: float) -> Array:
    along = np.linspace(0.0, 1.0, 14)
    half = width * np.sin(np.pi * along**0.8) * (1.0 - 0.25 * along)
    spine = bend * length * along**2
    edge = np.stack([along * length, spine + half], axis=1)
    return np.concatenate([edge, np.stack([along * length, spine - half], axis=1)[::-1]])


def _paint_leaf(canvas: Array, root: Array, angle: float, size: float, colour: Array, rng: np.random.Generator) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    outline = _leaf_outline(size, size * rng.uniform(0.16, 0.24), rng.uniform(-0.2, 0.2)) @ turn.T + root
    fixed = np.round(outline * 16).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], colour.tolist(), cv2.LINE_AA, shift=4)
    vein = np.round(np.stack([root, outline[13]]) * 16).astype(np.int32)
    cv2.polylines(canvas, [vein], False, (colour * 0.78).tolist(), 1, cv2.LINE_AA, shift=4)


def botanical_wallpaper(height: int, width: int, seed: int) -> Array:
    """Wallpaper of twigs with leaves and berries that never repeats, on a muted green ground. About 3 mm per pixel."""
    rng = np.random.default_rng(seed)
    canvas = np.full((height, width, 3), (0.60, 0.66, 0.60), np.float32)
    greens = np.array(
        [[0.36, 0.47, 0.41], [0.45, 0.56, 0.48], [0.80, 0.82, 0.74], [0.29, 0.40, 0.37], [0.70, 0.74, 0.60]]
    )
    spacing = 46
    places = [
        (x, y) for y in range(-spacing, height + spacing, spacing) for x in range(-spacing, width + spacing, spacing)
    ]
    for x, y in (places[i] for i in rng.permutation(len(places))):
        point = np.array([x, y]) + rng.uniform(-18, 18, 2)
        angle, colour = rng.uniform(0, 2 * np.pi), greens[rng.integers(len(greens))]
        bend, steps = rng.uniform(-0.25, 0.25), rng.integers(4, 7)
        for step in range(steps):
            following = point + 15.0 * np.array([np.cos(angle), np.sin(angle)])
            stem = np.round(np.stack([point, following]) * 16).astype(np.int32)
            cv2.polylines(canvas, [stem], False, (colour * 0.8).tolist(), 1, cv2.LINE_AA, shift=4)
            size = rng.uniform(22, 36) * (1.0 - 0.08 * step)
            for side in (-1, 1):
                tone = np.clip(colour * rng.uniform(0.92, 1.08), 0, 1)
                _paint_leaf(canvas, following, angle + side * rng.uniform(0.7, 1.1), size, tone, rng)
            point, angle = following, angle + bend
        if rng.random() < 0.35:
            berry = np.array([0.72, 0.42, 0.33]) * rng.uniform(0.9, 1.1)
            for offset in rng.uniform(-9, 9, (4, 2)):
                cv2.circle(
                    canvas, tuple(np.round((point + offset) * 16).astype(int)), 56, berry.tolist(), -1, cv2.LINE_AA, 4
                )
    paper = 1.0 + 0.012 * cloud(height, width, 6.0, seed + 1, 0.1) + 0.02 * cloud(height, width, 300.0, seed + 2, 0.5)
    return np.clip(canvas * paper[..., None], 0.0, 1.0)


def wood_grain(height: int, width: int, seed: int, ring_px: float = 22.0) -> Array:
    """Brightness of sawn wood [height, width] around 1, the grain runs along the width."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    drift = cv2.resize(
        cloud(64, 64, 20.0, seed, 0.8).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    heart = height * rng.uniform(-0.4, 1.4)
    rings = np.hypot((y - heart) + 5.0 * drift, (x - width * rng.uniform(0.2, 0.8)) * 0.035)
    phase = rings / ring_px + 0.25 * drift
    early = phase - np.floor(phase)
    pores = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), sigmaX=9.0, sigmaY=0.6)
    pores /= pores.std()
    return 1.0 - 0.16 * early**3 - 0.045 * np.maximum(pores, 0.0) - 0.02 * pores


def floor_boards(height: int, width: int, metres_per_px: float, seed: int) -> Array:
    """Oak boards of 13 cm with random joints; every board has its own tone and grain, dark gaps and a few knots."""
    rng = np.random.default_rng(seed)
    floor = np.zeros((height, width, 3), np.float32)
    board = round(0.13 / metres_per_px)
    tones = np.array(
        [[0.70, 0.52, 0.35], [0.63, 0.46, 0.31], [0.74, 0.57, 0.40], [0.57, 0.41, 0.27], [0.67, 0.48, 0.31]]
    )
    for top in range(0, height, board):
        start = -int(rng.uniform(0, 1.4) / metres_per_px)
        while start < width:
            length = int(rng.uniform(0.9, 1.9) / metres_per_px)
            left, right, bottom = max(start, 0), min(start + length, width), min(top + board, height)
            if right > left:
                grain = wood_grain(board, length, int(rng.integers(1 << 30)), rng.uniform(12, 24))
                tone = tones[rng.integers(len(tones))] * rng.uniform(0.93, 1.07)
                piece = grain[: bottom - top, left - start : right - start, None] ** np.array([1.0, 1.15, 1.3]) * tone
                _add_knots(piece, rng)
                piece[0], piece[:, 0] = piece[0] * 0.32, piece[:, 0] * 0.35
                piece[1:2], piece[-1:] = piece[1:2] * 0.8, piece[-1:] * 0.85
                floor[top:bottom, left:right] = piece
            start += length
    wear = 1.0 + 0.03 * cloud(height, width, 300.0, seed + 9, 0.6)
    return np.clip(floor * wear[..., None], 0.0, 1.0)


def _add_knots(piece: Array, rng: np.random.Generator) -> None:
    if rng.random() > 0.3 or min(piece.shape[:2]) < 20:
        return
    y, x = np.mgrid[0 : piece.shape[0], 0 : piece.shape[1]]
    centre = rng.uniform((8, 8), (piece.shape[0] - 8, max(9, piece.shape[1] - 8)))
    distance = np.hypot((x - centre[1]) * 0.6, y - centre[0]) / rng.uniform(3.0, 6.0)
    piece *= (1.0 - 0.55 * np.exp(-(distance**2)))[..., None]


def fabric(size: int, seed: int) -> Array:
    """Neutral woven cloth (mean 0.75) to be tinted; one thread is two pixels."""
    y, x = np.mgrid[0:size, 0:size]
    weave = np.where(((x // 2) + (y // 2)) % 2 == 0, 1.0, 0.88)
    melange = 1.0 + 0.06 * cloud(size, size, 5.0, seed, 0.1) + 0.03 * cloud(size, size, 60.0, seed + 1, 0.6)
    return tinted(0.77 * weave * melange, (1.0, 1.0, 1.0))


def leather(size: int, seed: int) -> Array:
    """Neutral leather (mean 0.75) to be tinted: pebbled grain and worn, lighter patches."""
    pebbles = relief(cloud(size, size, 10.0, seed, 0.4), 0.08)
    worn = 1.0 + 0.07 * cloud(size, size, 110.0, seed + 1, 0.6) + 0.03 * cloud(size, size, 24.0, seed + 2, 0.5)
    return tinted(0.76 * pebbles * worn, (1.0, 1.0, 1.0))


def speckle(size: int, seed: int, contrast: float) -> Array:
    """Neutral, slightly uneven paint, clay or leaf surface (mean 0.75) to be tinted."""
    value = 1.0 + contrast * cloud(size, size, 8.0, seed, 0.4) + 0.8 * contrast * cloud(size, size, 70.0, seed + 1, 0.6)
    return tinted(0.75 * value, (1.0, 1.0, 1.0))


def sawn_wood(height: int, width: int, colour: tuple[float, float, float], seed: int) -> Array:
    grain = wood_grain(height, width, seed)[..., None] ** np.array([1.0, 1.2, 1.4])
    return np.clip(grain * np.array(colour), 0.0, 1.0)
