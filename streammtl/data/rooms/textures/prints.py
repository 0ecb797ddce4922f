"""Printed matter: posters, photographs, pages, covers, spines, packages. u8 [h,w,3] sRGB, row 0 at the top."""

from __future__ import annotations

import colorsys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from streammtl.data.rooms.textures.noise import cloud

LETTERS = "aaabcdeeeefghiiklmnnooprrssttuuvwyz"
INK = (20, 20, 24)


def bright(rng: np.random.Generator, low: float = 0.0, high: float = 1.0) -> tuple[int, int, int]:
    """Any sRGB colour with a value between `low` and `high`."""
    rgb = colorsys.hsv_to_rgb(rng.random(), rng.beta(1.2, 1.6), rng.uniform(low, high))
    return tuple(int(255 * c) for c in rgb)


def natural(rng: np.random.Generator, low: float = 0.0, high: float = 1.0) -> tuple[int, int, int]:
    """An sRGB colour as photographs have them: mostly weak, more blue, green and brown than violet."""
    hue = rng.choice([0.04, 0.08, 0.1, 0.25, 0.33, 0.55, 0.6]) + rng.normal(0, 0.03)
    rgb = colorsys.hsv_to_rgb(hue % 1.0, rng.beta(1.1, 2.4), rng.uniform(low, high))
    return tuple(int(255 * c) for c in rgb)


def words(rng: np.random.Generator, count: int) -> str:
    """Nonsense that looks like text."""
    return " ".join("".join(rng.choice(list(LETTERS), rng.integers(2, 10))) for _ in range(count))


def text_block(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, box: tuple[int, int, int, int], line: int, ink: tuple
) -> None:
    """Lines of `line` px in a box (left, top, right, bottom): letters where they can be read, strokes where not."""
    left, top, right, bottom = box
    font = ImageFont.load_default(size=line * 0.8) if line >= 8 else None
    for y in range(top, bottom - line + 1, line):
        end = right if rng.random() < 0.8 else left + int((right - left) * rng.uniform(0.2, 0.9))
        if font is not None:
            draw.text((left, y), words(rng, 12)[: max(1, int((end - left) / (0.45 * line)))], fill=ink, font=font)
            continue
        x = left
        while x < end:
            width = int(rng.integers(2, 14))
            draw.rectangle((x, y, min(x + width, end), y + max(1, line // 2)), fill=ink)
            x += width + 3


def page(seed: int) -> np.ndarray:
    """A printed or scribbled sheet with heading, paragraphs, a figure or a table."""
    rng = np.random.default_rng(seed)
    paper = tuple(int(v) for v in rng.uniform(225, 255, 3)) if rng.random() < 0.8 else bright(rng, 0.8)
    image = Image.new("RGB", (182, 256), paper)
    draw = ImageDraw.Draw(image)
    ink = INK if rng.random() < 0.8 else bright(rng, 0.1, 0.5)
    y = 14
    if rng.random() < 0.7:
        text_block(draw, rng, (14, y, 168, y + 20), int(rng.integers(10, 20)), ink)
        y += 30
    while y < 230:
        part, height = rng.random(), int(rng.integers(25, 90))
        if part < 0.65:
            text_block(draw, rng, (14, y, 168, min(y + height, 244)), int(rng.integers(4, 8)), ink)
        elif part < 0.8:
            draw.rectangle((14, y, 168, min(y + height, 244)), fill=bright(rng, 0.3), outline=ink)
        y += height + 8
    return np.asarray(image)


def photograph(seed: int) -> np.ndarray:
    """Something like a photograph: sky, ridges, blobs, shadows, blur at several scales."""
    rng = np.random.default_rng(seed)
    y = np.linspace(0, 1, 256, dtype=np.float32)[:, None, None]
    palette = bright if rng.random() < 0.2 else natural
    a, b = (np.array(palette(rng, 0.2)) / 255.0 for _ in range(2))
    picture = a * (1 - y) + b * y + np.zeros((1, 256, 1))
    for k in range(int(rng.integers(2, 7))):
        field = cloud(rng.uniform(60, 250), seed + 10 * k, rng.uniform(0.3, 1.5))
        slope = (field + rng.uniform(-4, 2) * (0.5 - y[..., 0]) - 0.6) * rng.uniform(2, 25)
        mask = 1 / (1 + np.exp(-np.clip(slope, -30, 30)))
        tone = np.array(palette(rng, 0.05)) / 255.0 * (1 + 0.15 * cloud(20, seed + 10 * k + 1, 0.8))[..., None]
        picture = picture * (1 - mask[..., None]) + tone * mask[..., None]
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _shapes(draw: ImageDraw.ImageDraw, rng: np.random.Generator, size: tuple[int, int], count: int) -> None:
    for _ in range(count):
        x, y = rng.uniform(-0.1, 1, 2) * size
        w, h = rng.uniform(0.05, 0.5, 2) * size
        kind, colour = rng.integers(0, 4), bright(rng)
        if kind == 0:
            draw.ellipse((x, y, x + w, y + w), fill=colour)
        elif kind == 1:
            draw.rectangle((x, y, x + w, y + h), fill=colour)
        elif kind == 2:
            draw.polygon([tuple(p) for p in rng.uniform(0, 1, (4, 2)) * size], fill=colour)
        else:
            draw.line((x, y, x + w, y + h), fill=colour, width=int(rng.integers(1, 12)))


def poster(seed: int) -> np.ndarray:
    """A poster, advertisement or abstract print."""
    rng = np.random.default_rng(seed)
    if rng.random() < 0.35:
        image = Image.fromarray(photograph(seed + 7)).resize((180, 256))
    else:
        image = Image.new("RGB", (180, 256), bright(rng))
        _shapes(ImageDraw.Draw(image), rng, (180, 256), int(rng.integers(1, 12)))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 4))):
        x, y = int(rng.integers(5, 60)), int(rng.integers(5, 220))
        text_block(draw, rng, (x, y, 175, y + int(rng.integers(12, 60))), int(rng.integers(5, 40)), bright(rng))
    return np.asarray(image)


def cover(seed: int) -> np.ndarray:
    """Front of a book, magazine or packet: a title, a picture or shapes, small print."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (128, 176), bright(rng))
    draw = ImageDraw.Draw(image)
    if rng.random() < 0.5:
        picture = Image.fromarray(photograph(seed + 3)).resize((128, int(rng.integers(60, 176))))
        image.paste(picture, (0, int(rng.integers(0, 90))))
    else:
        _shapes(draw, rng, (128, 176), int(rng.integers(0, 5)))
    text_block(draw, rng, (8, 8, 120, 8 + int(rng.integers(20, 60))), int(rng.integers(14, 34)), bright(rng))
    text_block(draw, rng, (8, 140, 120, 170), int(rng.integers(4, 12)), bright(rng))
    return np.asarray(image)


def spine(seed: int) -> np.ndarray:
    """Back of a book or folder, standing: bands and a title that runs along it. Near white where it is plain."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (160, 32), (240, 240, 240))
    draw = ImageDraw.Draw(image)
    ink = INK if rng.random() < 0.5 else bright(rng)
    if rng.random() < 0.5:
        start = int(rng.integers(0, 120))
        draw.rectangle((start, 0, start + int(rng.integers(4, 50)), 32), fill=bright(rng))
    left = int(rng.integers(6, 60))
    text_block(draw, rng, (left, 8, 150, 26), int(rng.integers(8, 18)), ink)
    if rng.random() < 0.4:
        draw.rectangle((4, 0, 8, 32), fill=ink)
    return np.asarray(image.rotate(90 if rng.random() < 0.5 else -90, expand=True))


def carton(seed: int) -> np.ndarray:
    """Side of a cardboard box: tape, a label, a few printed marks. Near white, tinted brown by its material."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(np.uint8(np.clip(232 + 6 * cloud(30, seed, 0.5)[..., None] + np.zeros(3), 0, 255)))
    draw = ImageDraw.Draw(image)
    if rng.random() < 0.6:
        draw.rectangle((0, 118, 256, 138), fill=(225, 205, 170) if rng.random() < 0.6 else (250, 250, 250))
    for _ in range(int(rng.integers(0, 3))):
        x, y = (int(v) for v in rng.integers(10, 160, 2))
        draw.rectangle((x, y, x + 70, y + 45), fill=(252, 252, 252), outline=INK)
        text_block(draw, rng, (x + 5, y + 5, x + 65, y + 42), int(rng.integers(4, 10)), INK)
    if rng.random() < 0.5:
        text_block(draw, rng, (20, 180, 230, 230), int(rng.integers(16, 44)), bright(rng, 0.1, 0.6))
    return np.asarray(image)
