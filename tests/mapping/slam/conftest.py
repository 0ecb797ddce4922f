"""An analytic scene for tracking: a textured box room, ray-cast, with exact poses and depth."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mapping.slam.rigid import rotation_matrix
from streammtl.camera import Camera
from streammtl.views import Frame

_FPS = 30.0


class BoxRoom:
    """The inside of a box of 6 x 4 x 8 m about the origin. Every wall carries its own smooth random texture."""

    camera = Camera.pinhole(320, 240, 260.0, 262.0, 158.5, 121.0)
    half_size = np.array([3.0, 2.0, 4.0])
    texels_per_m = 64

    def __init__(self, seed: int = 5) -> None:
        rng = np.random.default_rng(seed)
        self.textures = []
        for _ in range(6):
            coarse, fine = (rng.normal(size=(600, 600)) for _ in range(2))
            texture = cv2.GaussianBlur(fine, None, 1.5) * 4 + cv2.GaussianBlur(coarse, None, 6) * 10
            self.textures.append(np.clip(128 + 45 * texture, 0, 255).astype(np.uint8))

    def render(self, T_world_cam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Image u8 [H,W,3] and depth f32 [H,W] of a camera inside the room."""
        camera = self.camera
        u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
        rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], axis=-1)
        rays = rays @ T_world_cam[:3, :3].T
        centre = T_world_cam[:3, 3]
        reach = (np.copysign(self.half_size, rays) - centre) / np.where(np.abs(rays) > 1e-9, rays, 1e-9)
        axis, depth = reach.argmin(axis=-1), reach.min(axis=-1)
        hit = centre + rays * depth[..., None]
        grey = np.zeros(u.shape, np.uint8)
        for wall in range(6):
            on_wall = (axis == wall // 2) & ((np.take_along_axis(rays, axis[..., None], -1)[..., 0] > 0) == wall % 2)
            across = np.delete(hit, wall // 2, axis=-1).astype(np.float32) * self.texels_per_m + 300
            seen = cv2.remap(self.textures[wall], across[..., 0], across[..., 1], cv2.INTER_LINEAR)
            grey[on_wall] = seen[on_wall]
        return np.repeat(grey[..., None], 3, axis=-1), depth.astype(np.float32)

    def frame(self, index: int, T_world_cam: np.ndarray, with_depth: bool = False) -> Frame:
        image, depth = self.render(T_world_cam)
        return Frame(index, index / _FPS, image, self.camera, depth if with_depth else None)


def handheld_pose(second: float) -> np.ndarray:
    """A smooth path before a corner of the room: rests for a moment, then sways and turns within half a metre."""
    moving = max(second - 0.2, 0.0)
    ease = min(moving, 1.0)
    T = np.eye(4)
    turn = np.array([0.08 * np.sin(1.7 * moving), 0.35 * np.sin(0.9 * moving), 0.05 * np.sin(1.1 * moving)])
    T[:3, :3] = rotation_matrix(np.array([0.25, 0.6, 0.0]) + turn * ease)
    T[:3, 3] = ease * np.array([0.5 * np.sin(1.2 * moving), 0.15 * np.sin(2.1 * moving), 0.3 * (1 - np.cos(moving))])
    return T


@pytest.fixture(scope="session")
def box_room() -> BoxRoom:
    return BoxRoom()


@pytest.fixture(scope="session")
def other_room() -> BoxRoom:
    """The same walls with other textures: nothing in it looks like the box room."""
    return BoxRoom(seed=6)


@pytest.fixture(scope="session")
def clip(box_room: BoxRoom) -> tuple[list[Frame], list[np.ndarray]]:
    """120 frames of RGB-D at 30 per second and their poses."""
    poses = [handheld_pose(i / _FPS) for i in range(120)]
    return [box_room.frame(i, T, with_depth=True) for i, T in enumerate(poses)], poses
