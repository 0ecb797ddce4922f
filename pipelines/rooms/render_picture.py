"""A contact sheet: random frames of a pool with their truth beside them, for people to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from streammtl.data.clip import Clip, load_clip
from streammtl.errors import DataError

GAP_PX = 2
FARTHEST_M = 6.0
# One colour per NYU-40 class, far from each other: steps of the golden angle around the hue circle.
HUES = (np.arange(41) * 0.61803) % 1.0


def write_sheet(folder: Path, file: Path, frames: int, seed: int = 0) -> None:
    """Writes `frames` random frames of the clips in `folder`, one a row: picture, depth, normals, labels, boundaries.

    Raises: DataError when the folder holds no clip.
    """
    clips = sorted(folder.glob("[0-9]*.npz"))
    if not clips:
        raise DataError(f"{folder} holds no clips; render some first.")
    rng = np.random.default_rng(seed)
    rows = []
    for path in rng.choice(np.array(clips, dtype=object), frames, replace=len(clips) < frames):
        clip = load_clip(path)
        rows.append(frame_row(clip, int(rng.integers(len(clip.images)))))
    Image.fromarray(np.concatenate(rows)).save(file)


def frame_row(clip: Clip, i: int) -> np.ndarray:
    """u8 [H,5*W,3] one frame: picture, depth (near is bright), normals, labels, boundaries over the picture."""
    image = clip.images[i]
    depth = clip.depth_m[i].astype(np.float32)
    near = np.where(depth > 0, 255 * np.clip(1 - np.sqrt(depth / FARTHEST_M), 0, 1), 0).astype(np.uint8)
    overlay = image // 2
    overlay[clip.boundaries[i] > 0] = (255, 230, 0)
    parts = [
        image,
        np.repeat(near[..., None], 3, axis=2),
        (clip.normals[i].astype(np.int16) + 128).clip(0, 255).astype(np.uint8),
        label_colours()[clip.labels[i]],
        overlay,
    ]
    return np.concatenate([np.pad(part, ((0, GAP_PX), (0, GAP_PX), (0, 0))) for part in parts], axis=1)


def label_colours() -> np.ndarray:
    """u8 [256,3]; unlabelled is black."""
    phase = HUES[:, None] + np.array([0.0, 1 / 3, 2 / 3])
    value = np.where(np.arange(41) % 2, 1.0, 0.65)[:, None]
    table = np.zeros((256, 3), np.uint8)
    table[:41] = 255 * value * (0.5 + 0.45 * np.cos(2 * np.pi * phase))
    table[0] = 0
    return table
