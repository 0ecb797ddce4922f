"""Analytic scenes with exact depth: planes under a solid texture, seen by pinhole cameras."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streammtl.views import ViewBatch


class PlaneScene:
    """Planes n·X = d in the world, each limited to limit·X < bound, under a solid texture of random waves."""

    def __init__(self, planes: list[tuple], contrast: float = 0.5, seed: int = 0) -> None:
        self.planes = planes  # (normal [3], distance, limit [3], bound)
        rng = np.random.default_rng(seed)
        direction = rng.normal(size=(30, 3))
        wavelength_m = np.exp(rng.uniform(np.log(0.1), np.log(0.8), 30))
        self.wave = 2 * np.pi * direction / np.linalg.norm(direction, axis=1, keepdims=True) / wavelength_m[:, None]
        self.phase = rng.uniform(0, 2 * np.pi, (30, 3))
        self.contrast = contrast

    def render(self, K: np.ndarray, T_world_cam: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Image f32 [H,W,3] in [0,1] and depth f32 [H,W]."""
        v, u = np.mgrid[: size[0], : size[1]]
        rays = np.stack((u, v, np.ones_like(u)), -1) @ np.linalg.inv(K).T @ T_world_cam[:3, :3].T
        centre = T_world_cam[:3, 3]
        depth = np.full(size, np.inf)
        for normal, distance, limit, bound in self.planes:
            t = (distance - centre @ normal) / (rays @ normal)
            hit = centre + rays * t[..., None]
            depth = np.where((t > 0.01) & (hit @ limit < bound) & (t < depth), t, depth)
        points = centre + rays * depth[..., None]
        waves = np.sin((points @ self.wave.T)[..., None] + self.phase).sum(-2) / np.sqrt(30)
        return np.clip(0.5 + 0.35 * self.contrast * waves, 0, 1).astype(np.float32), depth.astype(np.float32)


def batch_of(
    scene: PlaneScene, poses: list[np.ndarray], size: tuple[int, int], focal: float
) -> tuple[ViewBatch, np.ndarray]:
    """A ViewBatch with one sample and the exact depth [H,W] of its reference."""
    K = np.array([[focal, 0, (size[1] - 1) / 2], [0, focal, (size[0] - 1) / 2], [0, 0, 1]])
    images, depths = zip(*(scene.render(K, T, size) for T in poses), strict=True)
    views = len(poses)
    batch = ViewBatch(
        images=torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)[None],
        K=torch.from_numpy(K).float().expand(1, views, 3, 3),
        T_world_cam=torch.from_numpy(np.stack(poses))[None],
        view_mask=torch.ones(1, views, dtype=torch.bool),
        near_m=torch.tensor([0.6]),
        far_m=torch.tensor([6.0]),
    )
    return batch, depths[0]


def pose(x: float = 0.0, y: float = 0.0, z: float = 0.0, yaw: float = 0.0) -> np.ndarray:
    """T_world_cam at a position, turned about the vertical axis by `yaw` radians."""
    T = np.eye(4)
    T[:3, 3] = x, y, z
    T[:3, :3] = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    return T


EVERYWHERE = (np.zeros(3), 1.0)
TILTED = (np.array([0.35, -0.2, 1.0]), 2.4, *EVERYWHERE)


@pytest.fixture
def scenes():
    """Scene building: .scene(planes), .batch(scene, poses), .pose(...), .tilted and .two_planes."""

    class Scenes:
        tilted = (TILTED,)
        two_planes = (
            (np.array([0.0, 0, 1]), 1.5, np.array([1.0, 0, 0]), -0.05),
            (np.array([0.0, 0, 1]), 3.0, *EVERYWHERE),
        )
        pose = staticmethod(pose)

        @staticmethod
        def scene(planes: tuple = (TILTED,), **options) -> PlaneScene:
            return PlaneScene(list(planes), **options)

        @staticmethod
        def batch(scene: PlaneScene, poses: list[np.ndarray], size: tuple[int, int] = (192, 256), focal: float = 220.0):
            return batch_of(scene, poses, size, focal)

    return Scenes()
