"""Near-white, seamless surfaces to be tinted by a material's colour: u8 [256,256,3] sRGB from a seed."""

from __future__ import annotations

import itertools

import numpy as np

from streammtl.data.rooms.textures.noise import SIZE_PX, cloud, grid, relief, streaks, to_bytes


def plaster(seed: int) -> np.ndarray:
    """Painted plaster: stains, roller grain, now and then trowel strokes."""
    rng = np.random.default_rng(seed)
    value = 0.93 + rng.uniform(0.004, 0.02) * cloud(160, seed, 0.6) + rng.uniform(0.002, 0.02) * cloud(6, seed + 1, 0.1)
    bumps = rng.uniform(0.0, 0.02) if rng.random() < 0.88 else 0.05
    return to_bytes(value * relief(cloud(rng.uniform(8, 40), seed + 2, 0.5), bumps))


def _grain(seed: int, ring_px: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, _ = grid()
    drift = streaks(200, 50, seed, 0.8)
    waves = max(1, round(SIZE_PX / ring_px))
    early = (y * waves + 0.35 * drift * rng.uniform(0.3, 1.2)) % 1.0
    pores = streaks(60, 2.5, seed + 1, 0.2)
    depth = rng.uniform(0.04, 0.22)
    return 1.0 - depth * early**2 - 0.05 * np.maximum(pores, 0.0) - 0.02 * pores + 0.03 * drift


def wood(seed: int) -> np.ndarray:
    """Sawn wood, the grain along u; darker parts are redder."""
    rng = np.random.default_rng(seed)
    grain = np.clip(_grain(seed, rng.uniform(10, 60)), 0.3, 1.2)
    return to_bytes(0.92 * grain[..., None] ** np.array([1.0, rng.uniform(1.05, 1.3), rng.uniform(1.1, 1.6)]))


def boards(seed: int) -> np.ndarray:
    """Parallel boards along u with joints, each of its own tone and grain: a floor or a panelled wall."""
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(5, 13))
    edges = np.linspace(0, SIZE_PX, rows + 1).astype(int)
    grains = [_grain(seed + k, rng.uniform(15, 60)) for k in range(3)]
    value = np.empty((SIZE_PX, SIZE_PX), np.float32)
    spread, gap = rng.uniform(0.02, 0.14), rng.uniform(0.4, 0.92)
    for top, bottom in itertools.pairwise(edges):
        joint, second = (int(j) for j in rng.integers(0, SIZE_PX, 2))
        strip = np.roll(grains[int(rng.integers(3))], rng.integers(0, SIZE_PX, 2), (0, 1))[top:bottom]
        tone = np.where((np.arange(SIZE_PX) - joint) % SIZE_PX < (second - joint) % SIZE_PX, *rng.normal(1, spread, 2))
        value[top:bottom] = strip * tone
        value[top:bottom, [joint, second]] *= gap
        value[top] *= gap
    hue = np.array([1.0, rng.uniform(1.05, 1.25), rng.uniform(1.1, 1.5)])
    return to_bytes(0.88 * np.clip(value, 0.2, 1.15)[..., None] ** hue)


def parquet(seed: int) -> np.ndarray:
    """Square blocks of strips that turn by a quarter from block to block."""
    rng = np.random.default_rng(seed)
    y, x = grid()
    blocks, strips = 2 * int(rng.integers(1, 4)), int(rng.integers(3, 6))
    column, row = np.floor(x * blocks).astype(int), np.floor(y * blocks).astype(int)
    upright = (column + row) % 2 == 0
    across = np.where(upright, x, y) * blocks * strips
    tones = rng.normal(1.0, rng.uniform(0.03, 0.1), (blocks * strips, blocks * strips)).astype(np.float32)
    tone = tones[np.floor(across).astype(int), np.where(upright, row, column)]
    grain = np.where(upright, _grain(seed, 20).T, _grain(seed, 20))
    gap = np.where(np.minimum(across % 1.0, 1 - across % 1.0) < 0.05, rng.uniform(0.5, 0.85), 1.0)
    return to_bytes(0.88 * np.clip(tone * grain * gap, 0, 1.1)[..., None] ** np.array([1.0, 1.15, 1.35]))


def tiles(seed: int) -> np.ndarray:
    """Tiles with joints, in a grid or a running bond; joints may be lighter or darker than the tiles."""
    rng = np.random.default_rng(seed)
    y, x = grid()
    rows = int(rng.choice([2, 3, 4, 6, 8]))
    columns = rows if rng.random() < 0.6 else max(1, rows // 2)
    v = y * rows
    u = x * columns + (0.5 * (np.floor(v) % 2) if rng.random() < 0.35 and rows % 2 == 0 else 0.0)
    tones = rng.normal(0.9, rng.uniform(0.0, 0.07), (rows, columns)).astype(np.float32)
    face = tones[np.floor(v).astype(int) % rows, np.floor(u).astype(int) % columns]
    face = face + rng.uniform(0, 0.03) * cloud(60, seed, 0.7) + rng.uniform(0, 0.015) * cloud(4, seed + 1, 0.1)
    joint = rng.uniform(0.012, 0.03) * max(rows, columns) / 3
    edge = np.minimum(np.minimum(u % 1, 1 - u % 1) * rows / columns, np.minimum(v % 1, 1 - v % 1))
    return to_bytes(np.where(edge < joint, rng.choice([0.35, 0.55, 0.75, 1.0]), face))


def bricks(seed: int) -> np.ndarray:
    """Running bond with rough faces and sunken mortar."""
    rng = np.random.default_rng(seed)
    y, x = grid()
    v, u = y * 8, x * 3 + 0.5 * (np.floor(y * 8) % 2)
    tones = rng.normal(0.8, 0.08, (8, 3)).astype(np.float32)
    face = tones[np.floor(v).astype(int) % 8, np.floor(u).astype(int) % 3] + 0.05 * cloud(12, seed, 0.4)
    edge = np.minimum(np.minimum(u % 1, 1 - u % 1) * 2.6, np.minimum(v % 1, 1 - v % 1))
    value = np.where(edge < 0.07, rng.uniform(0.55, 0.98), face)
    return to_bytes(value * relief(np.minimum(edge, 0.12) * 8, 0.25))


def marble(seed: int) -> np.ndarray:
    """Stone with veins, or granite-like speckles."""
    rng = np.random.default_rng(seed)
    if rng.random() < 0.5:
        vein = np.abs(cloud(120, seed, 0.7) + 0.4 * cloud(40, seed + 1, 0.6))
        return to_bytes(
            0.95 - rng.uniform(0.1, 0.5) * np.exp(-(vein * rng.uniform(4, 14))) + 0.02 * cloud(90, seed + 2)
        )
    speck = cloud(rng.uniform(2, 7), seed, 0.1)
    value = 0.75 + 0.06 * cloud(10, seed + 1, 0.2) + rng.uniform(0.05, 0.3) * (speck > 1.3)
    return to_bytes(value - rng.uniform(0.05, 0.4) * (speck < -1.2))


def cloth(seed: int) -> np.ndarray:
    """Woven cloth: melange, checks, stripes or plain."""
    rng = np.random.default_rng(seed)
    y, x = grid()
    weave = 1.0 - rng.uniform(0.02, 0.15) * (((x * 128).astype(int) + (y * 128).astype(int)) % 2)
    value = weave * (0.9 + rng.uniform(0.01, 0.08) * cloud(5, seed, 0.1) + 0.03 * cloud(70, seed + 1, 0.6))
    kind = rng.integers(0, 5)
    count = int(rng.integers(2, 14))
    if kind == 0:
        value = value * np.where((y * count) % 1 < rng.uniform(0.2, 0.6), rng.uniform(0.3, 0.9), 1.0)
    elif kind == 1:
        bands = np.where((y * count) % 1 < 0.5, 0.85, 1.0) * np.where((x * count) % 1 < 0.5, 0.85, 1.0)
        value = value * bands
    return to_bytes(value)


def carpet(seed: int) -> np.ndarray:
    """Pile or loop carpet: speckle, streaks, sometimes lines of many tones."""
    rng = np.random.default_rng(seed)
    value = 0.8 + rng.uniform(0.03, 0.14) * cloud(3, seed, 0.0) + 0.05 * cloud(60, seed + 1, 0.5)
    if rng.random() < 0.4:
        lines = np.repeat(rng.normal(0, rng.uniform(0.05, 0.25), int(rng.choice([32, 64, 128]))), 1)
        value = value + np.repeat(lines, SIZE_PX // len(lines))[:, None] * (1 + 0.3 * streaks(40, 3, seed + 2, 0.3))
    elif rng.random() < 0.4:
        y, x = grid()
        checks = (np.floor(x * 2) + np.floor(y * 2)) % 2
        value = value * (1 - rng.uniform(0, 0.15) * checks)
    return to_bytes(value)


def leather(seed: int) -> np.ndarray:
    """Pebbled grain with worn patches."""
    value = 0.85 * relief(cloud(9, seed, 0.4), 0.06) * (1 + 0.06 * cloud(100, seed + 1, 0.6))
    return to_bytes(value)


def speckle(seed: int) -> np.ndarray:
    """Slightly uneven paint, plastic, clay."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.002, 0.012) if rng.random() < 0.75 else 0.035
    return to_bytes(0.92 + spread * cloud(8, seed, 0.4) + 0.8 * spread * cloud(80, seed + 1, 0.6))


def metal(seed: int) -> np.ndarray:
    """Brushed metal."""
    rng = np.random.default_rng(seed)
    return to_bytes(0.88 + rng.uniform(0.01, 0.06) * streaks(90, 1.5, seed, 0.1) + 0.03 * cloud(150, seed + 1))


def leaves(seed: int) -> np.ndarray:
    """Mottled green stuff with veins; tinted green by its material."""
    y, x = grid()
    vein = np.abs(((x + np.abs(y - 0.5)) * 8) % 1 - 0.5) < 0.08
    return to_bytes((0.85 + 0.1 * cloud(40, seed, 0.6)) * np.where(vein, 1.1, 1.0))


def wallpaper(seed: int) -> np.ndarray:
    """Printed wall paper: stripes, lattices, dots, damask-like blobs, in two tones."""
    rng = np.random.default_rng(seed)
    y, x = grid()
    count = int(rng.integers(2, 9))
    kind = int(rng.integers(0, 4))
    if kind == 0:
        mask = (x * count) % 1 < rng.uniform(0.1, 0.6)
    elif kind == 1:
        a, b = ((x + y) * count) % 1, ((x - y) * count) % 1
        mask = np.minimum(np.abs(a - 0.5), np.abs(b - 0.5)) < rng.uniform(0.04, 0.15)
    elif kind == 2:
        shift = 0.5 * (np.floor(y * count) % 2)
        mask = np.hypot((x * count + shift) % 1 - 0.5, (y * count) % 1 - 0.5) < rng.uniform(0.1, 0.35)
    else:
        small = cloud(40, seed, 1.2, 128)
        half = np.concatenate([small, small[:, ::-1]], axis=1)
        mask = np.concatenate([half, half], axis=0) > rng.uniform(0.0, 0.8)
    tone = np.where(mask[..., None], np.clip(rng.normal(0.8, 0.1, 3), 0.3, 1.0), 0.94)
    return to_bytes(tone * (1 + 0.01 * cloud(4, seed + 1, 0.1))[..., None])
