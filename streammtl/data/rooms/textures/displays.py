"""Faces of devices and boards: screens, keyboards, clocks, written boards, the view from a window. u8 [h,w,3] sRGB."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from streammtl.data.rooms.textures.noise import cloud
from streammtl.data.rooms.textures.prints import INK, bright, natural, photograph, text_block


def screen(seed: int) -> np.ndarray:
    """A desktop with windows, an editor, a film still, or a picture."""
    rng = np.random.default_rng(seed)
    if rng.random() < 0.35:
        return np.asarray(Image.fromarray(photograph(seed)).resize((256, 160)))
    image = Image.new("RGB", (256, 160), bright(rng, 0.1, 0.6))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 4))):
        x, y = int(rng.integers(0, 120)), int(rng.integers(0, 60))
        w, h = int(rng.integers(90, 200)), int(rng.integers(60, 110))
        paper = (250, 250, 250) if rng.random() < 0.6 else (30, 32, 38)
        draw.rectangle((x, y, x + w, y + h), fill=paper)
        draw.rectangle((x, y, x + w, y + 8), fill=bright(rng, 0.4))
        ink = INK if paper[0] > 99 else bright(rng, 0.6)
        text_block(draw, rng, (x + 6, y + 14, x + w - 6, y + h - 4), int(rng.integers(4, 8)), ink)
    draw.rectangle((0, 152, 256, 160), fill=bright(rng, 0.1, 0.5))
    return np.asarray(image)


def keyboard(seed: int) -> np.ndarray:
    """Rows of keys."""
    rng = np.random.default_rng(seed)
    light = rng.random() < 0.35
    body, key = ((200, 200, 200), (245, 245, 245)) if light else ((18, 18, 20), (46, 46, 50))
    image = Image.new("RGB", (256, 96), body)
    draw = ImageDraw.Draw(image)
    for row in range(6):
        x = 4
        while x < 248:
            width = int(rng.choice([14, 14, 14, 14, 22, 60 if row == 5 else 14]))
            draw.rounded_rectangle((x, 4 + row * 15, min(x + width, 252), 16 + row * 15), 2, fill=key)
            draw.point((x + 4, 9 + row * 15), fill=INK if light else (220, 220, 220))
            x += width + 3
    return np.asarray(image)


def clock(seed: int) -> np.ndarray:
    """A dial with hands."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (128, 128), (250, 250, 245) if rng.random() < 0.7 else bright(rng))
    draw = ImageDraw.Draw(image)
    for hour in range(12):
        c, s = np.cos(hour * np.pi / 6), np.sin(hour * np.pi / 6)
        draw.line((64 + 50 * c, 64 + 50 * s, 64 + 58 * c, 64 + 58 * s), fill=INK, width=3)
    for length, width in ((30, 5), (46, 3)):
        turn = rng.uniform(0, 2 * np.pi)
        draw.line((64, 64, 64 + length * np.cos(turn), 64 + length * np.sin(turn)), fill=INK, width=width)
    return np.asarray(image)


def board(seed: int) -> np.ndarray:
    """A white board with scribbles, boxes, arrows and lines of writing; or a pin board full of sheets."""
    rng = np.random.default_rng(seed)
    pins = rng.random() < 0.3
    image = Image.new("RGB", (256, 160), bright(rng, 0.4, 0.8) if pins else (246, 247, 248))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(2, 14))):
        x, y = int(rng.integers(0, 220)), int(rng.integers(0, 130))
        w, h = (int(v) for v in rng.integers(15, 80, 2))
        if pins:
            draw.rectangle((x, y, x + w // 2, y + h // 2), fill=bright(rng, 0.7))
            text_block(draw, rng, (x + 3, y + 4, x + w // 2 - 2, y + h // 2), 4, INK)
            continue
        pen = [(20, 20, 20), (30, 50, 170), (190, 30, 30), (20, 130, 60)][int(rng.integers(4))]
        kind = rng.integers(0, 4)
        if kind == 0:
            draw.rectangle((x, y, x + w, y + h), outline=pen, width=2)
        elif kind == 1:
            draw.line([tuple(p) for p in rng.uniform((x, y), (x + w, y + h), (5, 2))], fill=pen, width=2)
        else:
            text_block(draw, rng, (x, y, min(x + w + 40, 250), y + h), int(rng.integers(6, 15)), pen)
    return np.asarray(image)


def outside(seed: int) -> np.ndarray:
    """What a window shows, over-bright and out of focus: sky, houses, trees."""
    rng = np.random.default_rng(seed)
    sky = np.array([0.86, 0.92, 1.0]) if rng.random() < 0.5 else np.array([0.95, 0.96, 0.97])
    picture = np.ones((128, 128, 3)) * sky
    rows = np.linspace(0, 1, 128)[:, None]
    trees = rows > rng.uniform(0.45, 0.9) + 0.08 * cloud(60, seed, 0.8, 128)
    picture[trees] = (np.array([0.45, 0.58, 0.35]) * rng.uniform(0.7, 1.5)).clip(0, 1)
    image = Image.fromarray(np.uint8(255 * picture.clip(0, 1)))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 4))):
        x, w, top = int(rng.integers(-20, 120)), int(rng.integers(15, 60)), int(rng.integers(30, 90))
        wall = natural(rng, 0.6, 1.0)
        draw.rectangle((x, top, x + w, 128), fill=wall)
        for wy in range(top + 6, 120, 14):
            for wx in range(x + 5, x + w - 6, 12):
                draw.rectangle((wx, wy, wx + 5, wy + 8), fill=(90, 100, 115))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(rng.uniform(1.0, 4.0))))
