"""Surface normals out of a sensor's noisy depth."""

from __future__ import annotations

import cv2
import numpy as np

WINDOW_PX = 9
LEAST_SHARE = 0.7  # of the window with depth
LARGEST_RESIDUAL = 0.01  # root mean square of the relative error of the plane: more is no plane
DAMPING = 1e-9


def sensor_normals(depth_m: np.ndarray, K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit normals f32 [3,H,W] facing the camera, in camera axes, and where they can be trusted, bool [H,W].

    A plane is 1/z = a u + b v + c in pixels, so a least-squares fit of inverse depth over a window gives the normal
    K^T (a, b, c) exactly on planes, smoothed against noise. Windows with holes or with an edge in them do not count.
    """
    height, width = depth_m.shape
    known = (depth_m > 0).astype(np.float64)
    inverse = np.where(depth_m > 0, 1 / np.maximum(depth_m, 1e-3), 0.0).astype(np.float64)
    u = np.arange(width, dtype=np.float64)[None].repeat(height, 0)
    v = np.arange(height, dtype=np.float64)[:, None].repeat(width, 1)
    total = {
        "w": known, "u": known * u, "v": known * v, "uu": known * u * u, "uv": known * u * v, "vv": known * v * v,
        "q": inverse, "qu": inverse * u, "qv": inverse * v, "qq": inverse * inverse,
    }  # fmt: skip
    mean = {
        name: cv2.blur(values, (WINDOW_PX, WINDOW_PX), borderType=cv2.BORDER_CONSTANT) for name, values in total.items()
    }
    share = np.maximum(mean["w"], 1e-9)
    mean = {name: values / share for name, values in mean.items()}
    uu, uv, vv = (mean[a + b] - mean[a] * mean[b] for a, b in (("u", "u"), ("u", "v"), ("v", "v")))
    qu, qv = mean["qu"] - mean["q"] * mean["u"], mean["qv"] - mean["q"] * mean["v"]
    determinant = uu * vv - uv * uv + DAMPING
    a, b = (qu * vv - qv * uv) / determinant, (qv * uu - qu * uv) / determinant
    c = mean["q"] - a * mean["u"] - b * mean["v"]
    residual = np.maximum(mean["qq"] - mean["q"] ** 2 - a * qu - b * qv, 0)
    towards = np.stack((a, b, c), -1) @ K  # K^T applied to (a, b, c)
    length = np.linalg.norm(towards, axis=-1)
    valid = (share >= LEAST_SHARE) & (known > 0) & (length > 0)
    valid &= np.sqrt(residual) < LARGEST_RESIDUAL * np.maximum(mean["q"], 1e-9)
    normals = -towards / np.maximum(length, 1e-12)[..., None]
    return np.where(valid[..., None], normals, 0).transpose(2, 0, 1).astype(np.float32), valid
