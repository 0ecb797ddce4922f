"""What a camera would see of a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streammtl.camera import Camera


@dataclass(frozen=True)
class View:
    """Images of a map through a pinhole camera; 0 everywhere where no surface is met."""

    depth_m: np.ndarray  # f32 [H,W] along the optical axis
    colour: np.ndarray  # u8 [H,W,3]
    label: np.ndarray  # u8 [H,W]
    confidence: np.ndarray  # f32 [H,W] the label's share of the evidence
    normals: np.ndarray  # f32 [H,W,3] unit, camera axes (x right, y down, z forward), towards the camera


def pixel_rays(camera: Camera, R_world_cam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit directions f64 [H*W,3] in the world through all pixel centres, row by row, and their lengths per depth."""
    y, x = np.mgrid[: camera.height, : camera.width].reshape(2, -1)
    local = np.stack([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, np.ones(x.shape)], -1)
    length = np.linalg.norm(local, axis=1)
    return np.ascontiguousarray((local / length[:, None]) @ R_world_cam.T), length


def assembled(size: tuple[int, int], hit: np.ndarray, *values: np.ndarray) -> View:
    """A view of `size` (height, width); `values`, in the order of its fields, belong to the pixels in `hit` [H*W]."""
    images = []
    for value, kind in zip(values, (np.float32, np.uint8, np.uint8, np.float32, np.float32), strict=True):
        image = np.zeros((len(hit), *value.shape[1:]), kind)
        image[hit] = value
        images.append(image.reshape(*size, *value.shape[1:]))
    return View(*images)
