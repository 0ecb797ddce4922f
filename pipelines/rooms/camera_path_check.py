"""Whether the frames of a path are worth rendering: checked on small depth images."""

from __future__ import annotations

import numpy as np

from mapping.surface.room_rays import SceneCaster, camera_rays
from pipelines.rooms.camera_path_settings import PathSettings
from streammtl.data.rooms.scene import Scene

ROWS, COLUMNS = 24, 32
NEAREST_M = 0.2  # nothing comes closer to the lens
SAME_DEPTH = 0.07  # relative difference up to which two frames see the same thing
# A frame is rich when so many things take up a share of it each, and none takes up most of it.
RICH_THINGS, THING_SHARE, LARGEST_SHARE = 5, 0.01, 0.6
# A frame that shows little but one thing is dull; so many of a clip may be.
DULL_SHARE, DULL_LARGEST_SHARE = 0.3, 0.9


class FrameCheck:
    """Looks at the frames of a path with a coarse camera."""

    def __init__(
        self, scene: Scene, caster: SceneCaster, K: np.ndarray, size: tuple[int, int], settings: PathSettings
    ) -> None:
        self._caster, self._K, self._size, self._settings = caster, K, size, settings
        meshes = [scene.mesh, *(part.mesh for part in scene.moving)]
        self._instance = np.concatenate([mesh.instance for mesh in meshes])
        height, width = size
        x = (np.arange(COLUMNS) + 0.5) * width / COLUMNS - 0.5
        y = (np.arange(ROWS) + 0.5) * height / ROWS - 0.5
        self._pixels = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)

    def passes(self, poses: np.ndarray, times_s: np.ndarray, rich: bool = False) -> bool:
        """Frames keep away from things, see enough, and each sees much of what the one before saw; `rich`: half of
        them show many things."""
        dull, full, before = 0, 0, None
        for pose, time_s in zip(poses, times_s, strict=True):
            rays = camera_rays(self._K, pose, self._pixels)
            hits = self._caster.at(float(time_s)).hits(rays)
            depth = hits.distance
            if (
                not np.isfinite(depth).mean() > 0.98
                or depth.min() < NEAREST_M
                or np.median(depth) < self._settings.least_median_m
            ):
                return False
            sizes = np.unique(self._instance[hits.triangle], return_counts=True)[1] / len(depth)
            dull += sizes.max() > DULL_LARGEST_SHARE
            full += sizes.max() < LARGEST_SHARE and (sizes > THING_SHARE).sum() >= RICH_THINGS
            points = (rays[:, :3] + rays[:, 3:] * depth[:, None])[np.isfinite(depth)]
            if before is not None and self.overlap(before, pose, depth) < self._settings.least_overlap:
                return False
            before = points
        return dull <= DULL_SHARE * len(poses) and (not rich or full >= len(poses) / 2)

    def overlap(self, points: np.ndarray, pose: np.ndarray, depth_m: np.ndarray) -> float:
        """Share of world points [n,3] that a camera with depth f32 [ROWS*COLUMNS] sees."""
        height, width = self._size
        local = (points - pose[:3, 3]) @ pose[:3, :3]
        z = np.maximum(local[:, 2], 1e-3)
        x = (local[:, 0] / z * self._K[0, 0] + self._K[0, 2] + 0.5) * COLUMNS / width
        y = (local[:, 1] / z * self._K[1, 1] + self._K[1, 2] + 0.5) * ROWS / height
        inside = (local[:, 2] > 0) & (x >= 0) & (x < COLUMNS) & (y >= 0) & (y < ROWS)
        column, row = (np.clip(v, 0, n - 1).astype(int) for v, n in ((x, COLUMNS), (y, ROWS)))
        seen = depth_m.reshape(ROWS, COLUMNS)[row, column]
        # Coarse pixels straddle edges, so a neighbour's depth will do as well.
        return float((inside & (z < seen * (1 + SAME_DEPTH) + 0.1)).mean())
