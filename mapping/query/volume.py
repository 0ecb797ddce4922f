"""A map as a volume that can be asked anything, of which only what the questions touch is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mapping.fusion.observation import check_rigid
from mapping.query.view import View, assembled, pixel_rays
from mapping.query.voxels import Voxels
from mapping.query.world_blocks import WorldBlocks
from mapping.records import BLOCK_SIZE, Blocks
from mapping.store.reader import MapReader
from mapping.surface.merge import merge_blocks
from streammtl.camera import Camera
from streammtl.errors import ShapeError


@dataclass(frozen=True)
class Samples:
    """What a map knows at points. A point is known where all eight voxels around it have been seen."""

    tsdf_m: np.ndarray  # f32 [...] signed distance along the views, cut off at the truncation; NaN = unknown
    weight: np.ndarray  # f32 [...] 0 = unknown
    colour: np.ndarray  # u8 [...,3] 0 where unknown
    label: np.ndarray  # u8 [...] that the voxels around vote for; 0 = none
    confidence: np.ndarray  # f32 [...] the label's share of the evidence, 0..1


class Volume:
    """The merged voxels of a map's submaps, as it was when the volume was made.

    Convention: points and poses in the map's world frame, in its metres; where submaps overlap their voxels are
    averaged by weight, as in the mesh. At most `memory_bytes` of voxels are kept.
    """

    def __init__(self, reader: MapReader, component: int | None = None, memory_bytes: int = 512 << 20) -> None:
        """`component`: parts of a map that tracking does not connect cannot share a volume; None takes the largest.

        Raises: MapError for a component that is not in the map; StoreError where the map is damaged.
        """
        self._world = WorldBlocks(reader, component)
        self.voxel_size_m, self.truncation_m = self._world.voxel_size_m, self._world.truncation_m
        self._voxels = Voxels(self._world, memory_bytes)

    def __len__(self) -> int:
        """Blocks of 8³ voxels in the world's grid."""
        return len(self._world)

    def sample(self, points: np.ndarray) -> Samples:
        """What the map knows at points [...,3]."""
        shape, flat = self._in_voxels(points)
        tsdf, weight = self._voxels.distance(flat)
        known = weight > 0
        looks = []
        for values in self._voxels.look(flat[known]):
            looks.append(np.zeros((len(flat), *values.shape[1:]), values.dtype))
            looks[-1][known] = values
        arrays = (tsdf * np.float32(self.truncation_m), weight, *looks)
        return Samples(*(array.reshape(*shape, *array.shape[1:]) for array in arrays))

    def tsdf_m(self, points: np.ndarray) -> np.ndarray:
        """Only `Samples.tsdf_m` of points [...,3], without reading colours and labels."""
        shape, flat = self._in_voxels(points)
        return (self._voxels.distance(flat)[0] * np.float32(self.truncation_m)).reshape(shape)

    def slice(self, T_world_plane: np.ndarray, size_m: tuple[float, float], spacing_m: float | None = None) -> Samples:
        """Samples [h,w] of a plane's points from (0, 0) to `size_m` (x, y), every `spacing_m` (default: a voxel).

        T_world_plane f64 [4,4] maps the plane's x (along a row), y (down the rows) and z = 0 into the world.
        """
        spacing = spacing_m or self.voxel_size_m
        x, y = (np.arange(round(length / spacing) + 1) * spacing for length in size_m)
        grid = np.stack([*np.meshgrid(x, y), np.zeros((len(y), len(x)))], -1)
        return self.sample(grid @ T_world_plane[:3, :3].T + T_world_plane[:3, 3])

    def view(self, camera: Camera, T_world_cam: np.ndarray, far_m: float = 10.0) -> View:
        """What a pinhole camera at a pose f64 [4,4] would see of the surface up to `far_m` from it.

        Raises: GeometryError for a pose that is not rigid.
        """
        T = np.asarray(T_world_cam, np.float64)
        check_rigid(T, "T_world_cam")
        directions, length = pixel_rays(camera, T[:3, :3])
        origin, voxel = T[:3, 3] / self.voxel_size_m, self.voxel_size_m
        t, normals = self._voxels.first_hits(origin, directions, self.truncation_m / voxel, far_m / voxel)
        hit = np.isfinite(t)
        looks = self._voxels.look(origin + t[hit, None] * directions[hit])
        return assembled(
            (camera.height, camera.width), hit, t[hit] * voxel / length[hit], *looks, normals[hit] @ T[:3, :3]
        )

    def blocks(
        self, low_m: np.ndarray | None = None, high_m: np.ndarray | None = None, at_once: int = 4096
    ) -> Iterator[Blocks]:
        """The blocks that reach into a box of the world (default: all), merged, about `at_once` at a time."""
        first = self._world.coordinates.astype(np.int64) * BLOCK_SIZE * self.voxel_size_m
        waiting = np.ones(len(first), bool)
        if low_m is not None:
            waiting &= (first + (BLOCK_SIZE - 1) * self.voxel_size_m >= np.asarray(low_m)).all(1)
        if high_m is not None:
            waiting &= (first <= np.asarray(high_m)).all(1)
        numbers = np.flatnonzero(waiting)  # blocks are numbered submap by submap, as they lie on the disk
        for start in range(0, len(numbers), at_once):
            part = numbers[start : start + at_once]
            if waiting[part].any():
                known, blocks = self._world.read(part[waiting[part]])
                taken = waiting[self._world.index.find(blocks.index)]
                waiting[known] = False
                yield Blocks(*(array[taken] for array in vars(blocks).values()))

    def crop(self, low_m: np.ndarray, high_m: np.ndarray) -> Blocks:
        """The blocks of a box of the world; voxels outside it are unseen."""
        cut = merge_blocks(self.blocks(low_m, high_m))
        within = np.stack(np.meshgrid(*[np.arange(BLOCK_SIZE)] * 3, indexing="ij"), -1)
        points = (cut.index[:, None, None, None].astype(np.int64) * BLOCK_SIZE + within) * self.voxel_size_m
        outside = ((points < np.asarray(low_m)) | (points > np.asarray(high_m))).any(-1)
        for array in (cut.tsdf, cut.weight, cut.colour, cut.label_ids, cut.label_weights):
            array[outside] = 0
        return cut

    def _in_voxels(self, points: np.ndarray) -> tuple[tuple[int, ...], np.ndarray]:
        """The shape of an array of points, and the points f64 [N,3] in voxels."""
        points = np.asarray(points, np.float64)
        if points.shape[-1:] != (3,) or not np.isfinite(points).all():
            raise ShapeError(f"points have shape {points.shape}; expected finite numbers [...,3].")
        return points.shape[:-1], np.ascontiguousarray(points.reshape(-1, 3) / self.voxel_size_m)
