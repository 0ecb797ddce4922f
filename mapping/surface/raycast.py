"""Rays against a mesh, through Open3D's RaycastingScene."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from mapping.surface.mesh import Mesh
from streammtl.errors import MapError

RAYS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Hits:
    """Where rays meet a mesh, for all rays in the order given."""

    distance: np.ndarray  # f32 [N] in lengths of the ray's direction; inf = no hit
    face: np.ndarray  # i64 [N] -1 = no hit
    weights: np.ndarray  # f32 [N,3] barycentric, of the face's three vertices


class MeshRays:
    """A mesh prepared for ray casting. Raises: MapError where Open3D cannot be loaded."""

    def __init__(self, mesh: Mesh, kept: np.ndarray | None = None) -> None:
        """`kept` bool [F] leaves out the other faces; hits still name faces of the whole mesh."""
        faces = mesh.faces if kept is None else mesh.faces[kept]
        self._face = np.arange(len(mesh.faces)) if kept is None else np.flatnonzero(kept)
        self._core = open3d().core
        self._scene = open3d().t.geometry.RaycastingScene()
        if len(faces):
            vertices = self._core.Tensor(np.ascontiguousarray(mesh.vertices, np.float32))
            self._scene.add_triangles(vertices, self._core.Tensor(faces.astype(np.uint32)))

    def cast(self, origins: np.ndarray, directions: np.ndarray) -> Hits:
        """First hits of rays f32 [N,3]; the two arrays may broadcast to each other."""
        distance, face, weights = [], [], []
        for rays in self._batches(origins, directions):
            hit = self._scene.cast_rays(rays)
            distance.append(hit["t_hit"].numpy())
            found = hit["primitive_ids"].numpy().astype(np.int64)
            met = np.isfinite(distance[-1])
            face.append(np.full(len(met), -1, np.int64))
            face[-1][met] = self._face[found[met]]
            uv = hit["primitive_uvs"].numpy()
            weights.append(np.concatenate([1 - uv.sum(1, keepdims=True), uv], axis=1))
        if not distance:
            return Hits(np.empty(0, np.float32), np.empty(0, np.int64), np.empty((0, 3), np.float32))
        return Hits(np.concatenate(distance), np.concatenate(face), np.concatenate(weights))

    def blocked(self, origins: np.ndarray, directions: np.ndarray, far: float) -> np.ndarray:
        """Whether anything lies within `far` along each ray, bool [N]."""
        batches = [self._scene.test_occlusions(r, 0.0, far).numpy() for r in self._batches(origins, directions)]
        return np.concatenate(batches) if batches else np.empty(0, bool)

    def _batches(self, origins: np.ndarray, directions: np.ndarray):
        origins, directions = np.broadcast_arrays(origins, directions)
        for start in range(0, len(origins), RAYS_AT_ONCE):
            part = slice(start, start + RAYS_AT_ONCE)
            yield self._core.Tensor(np.concatenate([origins[part], directions[part]], axis=1).astype(np.float32))


def open3d() -> ModuleType:
    """The module, loaded when it is first needed: it is large, and wants system libraries that servers often lack."""
    try:
        import open3d as module
    except (ImportError, OSError) as error:
        raise MapError(
            f"Open3D, which casts the rays for pictures, cannot be loaded: {error}. Install open3d-cpu, and the "
            "system libraries it needs: apt-get install libusb-1.0-0 libegl1 libgl1 libx11-6."
        ) from error
    return module
