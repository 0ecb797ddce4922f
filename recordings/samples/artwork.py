"""Painted things of the room: pictures, a rug, book spines, cushions, the view through the window.

Every function returns sRGB values [height, width, 3] in 0..1; row 0 is the top. Seeds make them repeatable.
"""

from __future__ import annotations

import cv2
import numpy as np
from surface_textures import cloud

Array = np.ndarray
Colour = tuple[float, float, float]


def _grain(picture: Array, seed: int, amount: float = 0.03) -> Array:
    height, width = picture.shape[:2]
    noise = cloud(height, width, 5.0, seed, 0.1) + cloud(height, width, 40.0, seed + 1, 0.5)
    return np.clip(picture * (1.0 + amount * noise)[..., None], 0.0, 1.0)


def mountain_landscape(height: int, width: int, seed: int) -> Array:
    """Evening sky with a sun, five ridges that fade with distance, and a lake with reflections."""
    rng = np.random.default_rng(seed)
    rows = np.linspace(0, 1, height)[:, None, None]
    picture = np.array([0.36, 0.50, 0.66]) * (1 - rows) + np.array([0.97, 0.72, 0.48]) * rows
    picture = np.repeat(picture, width, axis=1).astype(np.float32)
    picture *= 1.0 + 0.05 * cv2.GaussianBlur(cloud(height, width, 90.0, seed, 0.4), (0, 0), 6, sigmaY=1.5)[..., None]
    centre = (int(width * 0.66), int(height * 0.40))
    cv2.circle(picture, centre, height // 13, (1.0, 0.93, 0.74), -1, cv2.LINE_AA)
    x = np.arange(width)
    for layer in range(5):
        base = height * (0.42 + 0.085 * layer)
        ridge = base + sum(
            height * 0.07 / k * np.sin(2 * np.pi * (k * x / width * rng.uniform(0.8, 1.6) + rng.random()))
            for k in range(1, 14)
        )
        far = 1 - layer / 4.5
        colour = np.array([0.58, 0.52, 0.56]) * far + np.array([0.10, 0.17, 0.16]) * (1 - far)
        outline = np.concatenate([np.stack([x, ridge], 1), [[width, height], [0, height]]]).astype(np.int32)
        cv2.fillPoly(picture, [outline], colour.tolist(), cv2.LINE_AA)
    lake = int(height * 0.86)
    picture[lake:] = cv2.GaussianBlur(picture[lake - (height - lake) : lake][::-1], (0, 0), 7, sigmaY=1) * 0.9
    return _grain(picture, seed + 5)


def geometric_abstract(height: int, width: int, seed: int) -> Array:
    """Circles, bars and lines in strong colours on cream paper."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), (0.93, 0.89, 0.80), np.float32)
    colours = [
        (0.80, 0.24, 0.17),
        (0.93, 0.68, 0.22),
        (0.13, 0.27, 0.42),
        (0.17, 0.45, 0.43),
        (0.10, 0.10, 0.11),
        (0.86, 0.55, 0.45),
    ]
    for _ in range(9):
        centre = rng.uniform((0.1, 0.1), (0.9, 0.9)) * (width, height)
        radius = rng.uniform(0.05, 0.2) * width
        colour = colours[rng.integers(len(colours))]
        kind = rng.integers(3)
        if kind == 0:
            cv2.circle(picture, centre.astype(int).tolist(), int(radius), colour, -1, cv2.LINE_AA)
            cv2.circle(
                picture, centre.astype(int).tolist(), int(radius * 0.6), colours[rng.integers(6)], -1, cv2.LINE_AA
            )
        else:
            size = (radius * 2.4, radius * (0.4 if kind == 1 else 1.5))
            corners = cv2.boxPoints((centre.tolist(), size, float(rng.uniform(0, 180))))
            cv2.fillPoly(picture, [corners.astype(np.int32)], colour, cv2.LINE_AA)
    for _ in range(12):
        ends = rng.uniform(0, 1, (2, 2)) * (width, height)
        cv2.line(picture, *ends.astype(int).tolist(), (0.1, 0.1, 0.1), int(rng.integers(1, 4)), cv2.LINE_AA)
    return _grain(picture, seed)


def contour_map(height: int, width: int, seed: int) -> Array:
    """A relief map: tinted heights with contour lines, rivers of sea and a grid."""
    relief = cloud(height, width, 0.45 * height, seed, 0.9)
    level = np.clip((relief + 2.0) / 4.0, 0, 1)
    stops = np.array([0.0, 0.42, 0.46, 0.6, 0.78, 1.0])
    tones = np.array(
        [
            [0.30, 0.50, 0.62],
            [0.55, 0.73, 0.77],
            [0.80, 0.82, 0.62],
            [0.62, 0.71, 0.48],
            [0.80, 0.66, 0.46],
            [0.96, 0.94, 0.9],
        ]
    )
    picture = np.stack([np.interp(level, stops, tones[:, c]) for c in range(3)], axis=-1)
    steps = level * 22.0
    edge = np.abs(steps - np.round(steps)) < 0.5 * np.hypot(*np.gradient(steps)) + 0.02
    picture[edge & (level > 0.44)] *= 0.72
    picture[:: height // 6] *= 0.8
    picture[:, :: width // 5] *= 0.8
    return _grain(picture.astype(np.float32), seed, 0.02)


def botanical_print(height: int, width: int, seed: int) -> Array:
    """One fern frond on aged paper, as in an old herbarium."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), (0.91, 0.87, 0.76), np.float32)
    point, angle, steps = np.array([width * 0.42, height * 0.94]), np.deg2rad(-86.0), 52
    for step in range(steps):
        following = point + height * 0.0165 * np.array([np.cos(angle), np.sin(angle)])
        cv2.line(
            picture, point.astype(int).tolist(), following.astype(int).tolist(), (0.24, 0.26, 0.12), 2, cv2.LINE_AA
        )
        reach = width * 0.36 * np.sin(np.pi * (step - 6) / (steps - 4)) ** 0.7 if 6 < step < steps - 2 else 0.0
        for side in (-1, 1) if reach else ():
            slope = angle + side * 1.15
            for part in np.linspace(0.12, 1.0, 9):
                middle = following + part * reach * np.array([np.cos(slope), np.sin(slope)])
                tone = (np.array([0.24, 0.36, 0.17]) * rng.uniform(0.75, 1.3)).tolist()
                axes = (max(2, int(reach * 0.075)), max(1, int(height * 0.006 * (1.15 - part))))
                cv2.ellipse(
                    picture, middle.astype(int).tolist(), axes, np.rad2deg(slope), 0, 360, tone, -1, cv2.LINE_AA
                )
        point, angle = following, angle + 0.007
    return _grain(picture, seed, 0.025)


def city_poster(height: int, width: int, seed: int) -> Array:
    """A screen-printed skyline at dusk with lit windows."""
    rng = np.random.default_rng(seed)
    rows = np.linspace(0, 1, height)[:, None, None]
    picture = np.repeat(
        np.array([0.18, 0.22, 0.36]) * (1 - rows) + np.array([0.90, 0.50, 0.36]) * rows, width, 1
    ).astype(np.float32)
    cv2.circle(picture, (width // 3, height // 3), width // 7, (0.96, 0.85, 0.62), -1, cv2.LINE_AA)
    for layer, colour in enumerate([(0.42, 0.32, 0.42), (0.25, 0.22, 0.34), (0.09, 0.10, 0.18)]):
        left = -10
        while left < width:
            wide = int(rng.uniform(0.05, 0.13) * width)
            top = int(height * (rng.uniform(0.40, 0.72) + 0.08 * layer))
            picture[top:, max(left, 0) : left + wide] = colour
            for y in range(top + 8, height, 14):
                for x in range(max(left, 0) + 5, min(left + wide - 5, width), 10):
                    if rng.random() < 0.4:
                        picture[y : y + 7, x : x + 5] = (0.97, 0.80, 0.45) if layer == 2 else np.array(colour) * 1.5
            left += wide + int(rng.uniform(-2, 8))
    return _grain(picture, seed, 0.02)


def rug(height: int, width: int, seed: int) -> Array:
    """An oriental rug: guard bands, a border of rosettes, a medallion and a field of small blossoms."""
    rng = np.random.default_rng(seed)
    red, navy, cream, gold, teal = (
        (0.50, 0.13, 0.12),
        (0.11, 0.15, 0.26),
        (0.86, 0.79, 0.65),
        (0.74, 0.55, 0.27),
        (0.22, 0.40, 0.40),
    )
    picture = np.full((height, width, 3), navy, np.float32)
    for inset, colour in (
        (0.012, cream),
        (0.022, navy),
        (0.035, gold),
        (0.045, navy),
        (0.125, cream),
        (0.132, gold),
        (0.145, red),
    ):
        d = int(inset * width)
        picture[d : height - d, d : width - d] = colour
    _blossoms(picture, rng, (cream, gold, teal, navy), 0.16)
    _rosettes(picture, 0.085, (cream, red, gold))
    y, x = np.mgrid[0:height, 0:width]
    dx, dy = (x - width / 2) / width, (y - height / 2) / width
    angle, radius = np.arctan2(dy, dx), np.hypot(dx, dy * 1.15)
    for size, lobes, colour in (
        (0.215, 16, navy),
        (0.2, 16, gold),
        (0.19, 16, teal),
        (0.13, 12, cream),
        (0.12, 12, red),
        (0.06, 8, gold),
        (0.045, 8, navy),
    ):
        picture[radius < size * (1 + 0.09 * np.cos(lobes * angle))] = colour
    petals = (radius > 0.135) & (radius < 0.175) & (np.cos(12 * angle) > 0.55)
    picture[petals] = cream
    knots = 1.0 + 0.10 * rng.standard_normal((height, width))
    stripes = 1.0 + 0.05 * np.sin(np.arange(height) / 1.6)[:, None]
    abrash = 1.0 + 0.06 * cloud(height, width, 220.0, seed, 0.5)
    return np.clip(picture * (knots * stripes * abrash)[..., None], 0.0, 1.0)


def _blossoms(picture: Array, rng: np.random.Generator, colours: tuple[Colour, ...], margin: float) -> None:
    height, width = picture.shape[:2]
    inset = int(margin * width)
    for y in range(inset + 8, height - inset - 8, 26):
        for x in range(inset + 8, width - inset - 8, 26):
            centre = np.array([x, y]) + rng.integers(-6, 7, 2)
            colour = colours[rng.integers(len(colours))]
            for petal in range(5):
                turn = 2 * np.pi * petal / 5 + rng.random()
                offset = centre + 5 * np.array([np.cos(turn), np.sin(turn)])
                cv2.circle(picture, offset.astype(int).tolist(), 3, colour, -1, cv2.LINE_AA)
            cv2.circle(picture, centre.tolist(), 2, (0.2, 0.1, 0.1), -1, cv2.LINE_AA)


def _rosettes(picture: Array, centre_line: float, colours: tuple[Colour, ...]) -> None:
    height, width = picture.shape[:2]
    d, step = int(centre_line * width), int(0.055 * width)
    ring = [(x, y) for x in range(d, width - d + 1, step) for y in (d, height - d)]
    ring += [(x, y) for y in range(d + step, height - d, step) for x in (d, width - d)]
    for i, point in enumerate(ring):
        for size, colour in zip((16, 11, 5), np.roll(np.array(colours), i % 2, axis=0), strict=True):
            radius = max(1, int(size * width / 1000))
            cv2.ellipse(picture, point, (radius, radius), 45 * (i % 2), 0, 360, colour.tolist(), -1, cv2.LINE_AA)


def book_cloth(height: int, width: int, colour: Colour, seed: int) -> Array:
    """One book spine, seen with its head up: cloth, two bands, a title block of uneven dark or gold strokes."""
    rng = np.random.default_rng(seed)
    spine = (
        np.full((height, width, 3), colour, np.float32) * (1.0 + 0.05 * cloud(height, width, 6.0, seed, 0.2))[..., None]
    )
    ink = np.array([0.86, 0.72, 0.40]) if sum(colour) < 1.5 else np.array([0.16, 0.13, 0.12])
    for band in (rng.uniform(0.05, 0.1), rng.uniform(0.86, 0.93)):
        top = int(band * height)
        spine[top : top + max(2, height // 60)] = ink
    top, bottom = int(height * rng.uniform(0.2, 0.3)), int(height * rng.uniform(0.55, 0.75))
    for column in np.linspace(0.28, 0.72, rng.integers(1, 4)):
        x, y = int(column * width), top
        while y < bottom:
            long = int(rng.uniform(0.012, 0.05) * height) + 1
            spine[y : y + long, max(0, x - width // 14) : x + width // 14 + 1] = ink
            y += long + max(2, height // 90)
    across = np.linspace(-1, 1, width)
    return np.clip(spine * (1.0 - 0.25 * across**4)[None, :, None], 0.0, 1.0)


def cushion(size: int, kind: int, seed: int) -> Array:
    """Cushion cover: 0 stripes, 1 diamonds, 2 plain mustard with a coarse weave."""
    y, x = np.mgrid[0:size, 0:size] / size
    if kind == 0:
        mask, front, back = (np.floor(x * 11) % 2) == 0, (0.87, 0.83, 0.74), (0.17, 0.26, 0.37)
    elif kind == 1:
        mask = (np.abs(((x + y) * 5) % 1 - 0.5) < 0.07) | (np.abs(((x - y) * 5) % 1 - 0.5) < 0.07)
        front, back = (0.90, 0.86, 0.77), (0.20, 0.42, 0.42)
    else:
        mask, front, back = (
            ((x * 40).astype(int) + (y * 40).astype(int)) % 2 == 0,
            (0.82, 0.60, 0.20),
            (0.74, 0.52, 0.16),
        )
    return _grain(np.where(mask[..., None], front, back).astype(np.float32), seed, 0.04)


def window_view(height: int, width: int, seed: int) -> Array:
    """Over-bright, out-of-focus garden: sky, a tree line and a lawn."""
    rows = np.linspace(0, 1, height)[:, None]
    sky = np.array([0.93, 0.97, 1.0])
    picture = np.ones((height, width, 1)) * sky
    trees = rows > 0.62 + 0.07 * cv2.GaussianBlur(cloud(height, width, 120.0, seed, 0.7), (0, 0), 4)
    picture[trees] = (0.70, 0.80, 0.66)
    picture[(rows > 0.86).repeat(width, 1)] = (0.80, 0.88, 0.68)
    leaves = 1.0 + 0.06 * cloud(height, width, 30.0, seed + 1, 0.6)[..., None] * trees[..., None]
    return np.clip(cv2.GaussianBlur((picture * leaves).astype(np.float32), (0, 0), 4), 0.0, 1.0)
