"""Least-squares similarity between two sets of points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streammtl.errors import GeometryError


@dataclass(frozen=True)
class Similarity:
    """x -> scale * R x + t."""

    R: np.ndarray  # f64 [3,3]
    t: np.ndarray  # f64 [3]
    scale: float = 1.0

    def points(self, points: np.ndarray) -> np.ndarray:
        """Moved points [N,3]."""
        return self.scale * np.asarray(points, dtype=np.float64) @ self.R.T + self.t

    def poses(self, T_world_cam: np.ndarray) -> np.ndarray:
        """Moved poses [N,4,4]: rotated, centres scaled and moved; still rigid."""
        moved = T_world_cam.copy()
        moved[:, :3, :3] = self.R @ T_world_cam[:, :3, :3]
        moved[:, :3, 3] = self.points(T_world_cam[:, :3, 3])
        return moved


def fit_similarity(source: np.ndarray, target: np.ndarray, with_scale: bool) -> Similarity:
    """The similarity, or with scale 1 the rigid motion, that takes `source` to `target` with the least squares.

    Shapes: source, target f64 [N,3] in correspondence, N >= 3.
    Raises: GeometryError for fewer than 3 points, or points so nearly on a line that the rotation is undetermined.
    Source: Umeyama, PAMI 1991, Eqs. 34-43.
    """
    if len(source) < 3 or source.shape != target.shape:
        raise GeometryError(
            f"an alignment takes at least 3 corresponding points, got {source.shape} and {target.shape}."
        )
    mean_source, mean_target = source.mean(axis=0), target.mean(axis=0)
    centred_source, centred_target = source - mean_source, target - mean_target
    U, singular, Vt = np.linalg.svd(centred_target.T @ centred_source / len(source))
    if singular[1] <= 1e-9 * max(singular[0], 1e-300):
        raise GeometryError(
            "the camera centres lie on a line or in one point, so that no alignment is determined; compare a "
            "longer path."
        )
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(U) * np.linalg.det(Vt))])
    R = U @ np.diag(signs) @ Vt
    variance = (centred_source**2).sum() / len(source)
    scale = float((singular * signs).sum() / variance) if with_scale else 1.0
    return Similarity(R, mean_target - scale * R @ mean_source, scale)
