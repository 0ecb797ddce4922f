"""Surface errors: accuracy, completeness and F-score of one triangle mesh against another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mapping.evaluation.similarity import Similarity
from mapping.surface.raycast import open3d
from streammtl.errors import GeometryError

SAMPLES = 200_000
THRESHOLDS_M = (0.02, 0.05, 0.10)
MARGIN_M = 0.10  # beyond the truth's bounds an estimate is not judged
ICP_REACH_M = 0.10
ICP_POINTS = 50_000
ICP_ITERATIONS = 50

Seen = Callable[[np.ndarray], np.ndarray]  # points [N,3] -> bool [N]


@dataclass(frozen=True)
class Triangles:
    """A surface as bare triangles."""

    vertices: np.ndarray  # f64 [N,3]
    faces: np.ndarray  # i32 [F,3]

    def moved(self, similarity: Similarity) -> Triangles:
        return Triangles(similarity.points(self.vertices), self.faces)


@dataclass(frozen=True)
class SurfaceError:
    """Distances in metres; None where one side has no surface."""

    accuracy_m: float | None  # mean distance from the estimate to the truth
    completeness_m: float | None  # mean distance from the truth to the estimate
    precision: dict[float, float]  # threshold in metres -> share of the estimate that is nearer than it to the truth
    recall: dict[float, float]  # threshold in metres -> share of the truth that is nearer than it to the estimate
    kept: float  # share of the estimate's area that was judged

    def f_score(self, threshold_m: float = 0.05) -> float:
        """Harmonic mean of precision and recall."""
        precision, recall = self.precision[threshold_m], self.recall[threshold_m]
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

    def as_dict(self) -> dict[str, object]:
        by_threshold = {
            f"at_{round(t * 100)}cm": {
                "precision": self.precision[t],
                "recall": self.recall[t],
                "f_score": self.f_score(t),
            }
            for t in self.precision
        }
        return {"accuracy_m": self.accuracy_m, "completeness_m": self.completeness_m, "kept": self.kept, **by_threshold}


def sample_surface(mesh: Triangles, count: int, seed: int = 0) -> np.ndarray:
    """`count` points [N,3] spread evenly over the area of a mesh; none for a mesh without area."""
    triangle, weights = sample_triangles(mesh, count, seed)
    a, b, c = mesh.vertices[mesh.faces[triangle]].transpose(1, 0, 2)
    return a + weights[:, 1:2] * (b - a) + weights[:, 2:] * (c - a)


def sample_triangles(mesh: Triangles, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The same points as triangles i64 [N] and weights of their corners f64 [N,3]."""
    corners = mesh.vertices[mesh.faces]
    areas = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    if not areas.sum() > 0:
        return np.zeros(0, np.int64), np.zeros((0, 3))
    rng = np.random.default_rng(seed)
    triangle = np.searchsorted(np.cumsum(areas), rng.uniform(0, areas.sum(), count), side="right").clip(
        max=len(areas) - 1
    )
    u, v = rng.uniform(size=(2, count, 1))
    inside = u + v <= 1
    u, v = np.where(inside, u, 1 - u), np.where(inside, v, 1 - v)
    return triangle, np.concatenate([1 - u - v, u, v], axis=1)


class DistanceTo:
    """Exact distances from points to the triangles of a mesh."""

    def __init__(self, mesh: Triangles) -> None:
        self._core = open3d().core
        self._scene = open3d().t.geometry.RaycastingScene()
        self._scene.add_triangles(mesh.vertices.astype(np.float32), np.ascontiguousarray(mesh.faces, np.uint32))

    def distances(self, points: np.ndarray) -> np.ndarray:
        """f64 [N] distances of points [N,3]."""
        return self._scene.compute_distance(self._tensor(points)).numpy().astype(np.float64)

    def closest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Closest surface points [N,3] and the unit normals [N,3] of their triangles."""
        found = self._scene.compute_closest_points(self._tensor(points))
        return found["points"].numpy().astype(np.float64), found["primitive_normals"].numpy().astype(np.float64)

    def _tensor(self, points: np.ndarray) -> object:
        return self._core.Tensor(np.ascontiguousarray(points, np.float32))


def surface_error(
    estimate: Triangles,
    truth: Triangles,
    thresholds_m: Sequence[float] = THRESHOLDS_M,
    seen: Seen | None = None,
    samples: int = SAMPLES,
    visible: Seen | None = None,
) -> SurfaceError:
    """Compares two surfaces in one world by area-uniform samples and exact point-to-triangle distances.

    The estimate is judged only within the truth's bounding box plus 10 cm and, with `seen`, where the cameras of the
    truth looked: outside there is no truth to be wrong against. With `visible`, completeness and recall count only the
    part of the truth that it accepts.
    Raises: GeometryError when the truth has no surface.
    Source: Knapitsch et al., Tanks and Temples, SIGGRAPH 2017, §5.2 (precision, recall, F-score).
    """
    truth_points = sample_surface(truth, samples)
    if visible is not None:
        truth_points = truth_points[visible(truth_points)]
    if not len(truth_points):
        raise GeometryError("the true surface is empty, so there is nothing to compare with.")
    points = sample_surface(estimate, samples)
    kept = cull(points, truth, seen)
    judged = points[kept]
    share = float(kept.mean()) if len(kept) else 0.0
    if not len(judged):
        nothing = dict.fromkeys(thresholds_m, 0.0)
        return SurfaceError(None, None, nothing, dict(nothing), share)
    to_truth = DistanceTo(truth).distances(judged)
    to_estimate = DistanceTo(estimate).distances(truth_points)
    return SurfaceError(
        float(to_truth.mean()),
        float(to_estimate.mean()),
        {t: float((to_truth < t).mean()) for t in thresholds_m},
        {t: float((to_estimate < t).mean()) for t in thresholds_m},
        share,
    )


def cull(points: np.ndarray, truth: Triangles, seen: Seen | None) -> np.ndarray:
    """bool [N]: points within the truth's bounds plus a margin, and in the seen region."""
    used = truth.vertices[np.unique(truth.faces)]
    inside = ((points >= used.min(axis=0) - MARGIN_M) & (points <= used.max(axis=0) + MARGIN_M)).all(axis=1)
    if seen is not None and inside.any():
        inside[inside] = seen(points[inside])
    return inside


def align_by_icp(estimate: Triangles, truth: Triangles, seen: Seen | None = None) -> tuple[Similarity, float]:
    """The small rigid motion that brings an estimate onto the truth, and the share of points that found a partner.

    Point-to-plane, partners within 10 cm, 50,000 points. Gives the identity when too few points find a partner.
    Source: Chen and Medioni, 1992; linearised as in Low, "Linear least-squares optimization for point-to-plane ICP",
    2004.
    """
    points = sample_surface(estimate, ICP_POINTS)
    points = points[cull(points, truth, seen)]
    motion, share = Similarity(np.eye(3), np.zeros(3)), 0.0
    if len(points) < 100:
        return motion, share
    surface = DistanceTo(truth)
    for _ in range(ICP_ITERATIONS):
        moved = motion.points(points)
        partner, normal = surface.closest(moved)
        near = np.linalg.norm(partner - moved, axis=1) < ICP_REACH_M
        share = float(near.mean())
        if near.sum() < 100:
            return Similarity(np.eye(3), np.zeros(3)), share
        step = _point_to_plane_step(moved[near], partner[near], normal[near])
        motion = Similarity(step.R @ motion.R, step.R @ motion.t + step.t)
        if np.linalg.norm(step.t) < 1e-5 and np.linalg.norm(step.R - np.eye(3)) < 1e-5:
            break
    return motion, share


def _point_to_plane_step(points: np.ndarray, partners: np.ndarray, normals: np.ndarray) -> Similarity:
    from scipy.spatial.transform import Rotation

    centre = points.mean(axis=0)
    arm = points - centre
    A = np.concatenate([np.cross(arm, normals), normals], axis=1)
    residual = ((partners - points) * normals).sum(axis=1)
    # Directions that the surface leaves free (a single plane slides on itself) stay where they are.
    solution = np.linalg.lstsq(A.T @ A / len(A), A.T @ residual / len(A), rcond=1e-6)[0]
    R = Rotation.from_rotvec(solution[:3]).as_matrix()
    return Similarity(R, centre - R @ centre + solution[3:])
