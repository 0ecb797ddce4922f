"""One call: a map against the truth, as numbers that go into JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mapping.evaluation.semantics import semantics
from mapping.evaluation.surface import SAMPLES, Triangles, align_by_icp, surface_error
from mapping.evaluation.trajectory import AbsoluteError, absolute_error, angles_deg, associate, relative_error
from mapping.evaluation.truth import TRUTH_FAR_M, SeenByCameras, TruePoses, read_camera, read_poses, true_surface
from mapping.evaluation.visibility import VisibleSurface
from mapping.store.reader import MapReader
from mapping.store.trajectory import MapTrajectory
from mapping.surface.map_mesh import map_mesh
from mapping.surface.mesh import Mesh
from streammtl.errors import GeometryError
from streammtl.views import ScaleStatus

TOLERANCE_S = 0.010


def evaluate_map(
    reader: MapReader, truth_folder: Path | str, samples: int = SAMPLES, scaled: bool = False
) -> dict[str, Any]:
    """Trajectory and surface errors of a map against a folder in our recording layout; JSON-able.

    trajectory: ATE after SE(3) and after Sim(3) with scale and coverage, rotation errors, drift over one second.
    Poses are matched by time, mutually nearest within 10 ms; true poses between the first and the last frame of the
    map count.
    surface: accuracy, completeness, precision, recall and F-score after the trajectory's alignment (Sim(3) where the
    map or the truth knows no metres, or with `scaled`, else SE(3)) and after ICP on top of it; None when the folder
    holds no surface.
    semantics: labels of the map's vertices at points of the true surface, after both alignments; see `semantics`.
    `samples` points are drawn from each surface. Of several components the one with the most matched poses is judged.
    Raises: RecordingError for a folder without truth; GeometryError when fewer than 3 poses match; StoreError.
    """
    folder = Path(truth_folder)
    truth = read_poses(folder)
    trajectory = reader.trajectory()
    component, est, ref = _matches(trajectory, truth)
    estimate, true = trajectory.T_world_cam[est], truth.T_world_cam[ref]
    coverage = len(est) / max(1, _in_reach(trajectory, truth))
    se3 = absolute_error(estimate, true, with_scale=False, coverage=coverage)
    sim3 = absolute_error(estimate, true, with_scale=True, coverage=coverage)
    result: dict[str, Any] = {
        "trajectory": {
            "se3": se3.as_dict(),
            "sim3": sim3.as_dict(),
            "scale": sim3.scale,
            "coverage": coverage,
            "components": reader.header.components,
            "relative_1s": _drift(estimate, true, truth.times_s[ref], reader, sim3),
        }
    }
    metric = truth.metric and reader.header.scale.status == ScaleStatus.METRIC and not scaled
    found = true_surface(folder, truth)
    if found is None:
        return result | {"surface": None, "semantics": None}
    mesh = _mesh(reader, component)
    fit = se3 if metric else sim3
    result["surface"], placed = _surface(mesh, folder, truth, found, fit, samples)
    result["semantics"] = semantics(reader.header, mesh.labels, placed, fit.scale, folder, truth, found)
    return result


def _matches(trajectory: MapTrajectory, truth: TruePoses) -> tuple[int, np.ndarray, np.ndarray]:
    """The component that matches most, and its pairs (frame of the map, true pose)."""
    best = (0, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    for component in np.unique(trajectory.component):
        frames = np.flatnonzero(trajectory.posed & (trajectory.component == component))
        i, j = associate(trajectory.timestamps_s[frames], truth.times_s, TOLERANCE_S)
        if len(i) > len(best[1]):
            best = (int(component), frames[i], j)
    if len(best[1]) < 3:
        raise GeometryError(
            f"only {len(best[1])} posed frames of the map match true poses within {TOLERANCE_S * 1000:.0f} ms; "
            "at least 3 are needed. "
            "Is this the truth of the same recording?"
        )
    return best


def _in_reach(trajectory: MapTrajectory, truth: TruePoses) -> int:
    first, last = trajectory.timestamps_s[0] - TOLERANCE_S, trajectory.timestamps_s[-1] + TOLERANCE_S
    return int(((truth.times_s >= first) & (truth.times_s <= last)).sum())


def _drift(
    estimate: np.ndarray, true: np.ndarray, times_s: np.ndarray, reader: MapReader, sim3: AbsoluteError
) -> dict[str, Any] | None:
    scale = 1.0 if reader.header.scale.status == ScaleStatus.METRIC else sim3.scale
    try:
        return relative_error(estimate, true, times_s, 1.0, scale).as_dict()
    except GeometryError:  # shorter than a second
        return None


def _surface(
    mesh: Mesh, folder: Path, poses: TruePoses, found: tuple[Triangles, str], fit: AbsoluteError, samples: int
) -> tuple[dict[str, Any], dict[str, Triangles]]:
    """The figures, and where each alignment puts the map."""
    truth, origin = found
    seen = visible = None
    if (folder / "intrinsics.json").is_file():
        camera = read_camera(folder)[0]
        seen = SeenByCameras(poses, camera, TRUTH_FAR_M if origin != "mesh.ply" else np.inf)
        if origin == "mesh.ply":  # fused depth was seen by construction
            visible = VisibleSurface(truth, poses.T_world_cam, camera)
    estimate = Triangles(mesh.vertices.astype(np.float64), mesh.faces).moved(fit.alignment)
    motion, partners = align_by_icp(estimate, truth, seen)
    placed = {"trajectory_aligned": estimate, "after_icp": estimate.moved(motion)}
    figures = {
        name: surface_error(at, truth, seen=seen, samples=samples, visible=visible).as_dict()
        for name, at in placed.items()
    }
    shift = motion.points(estimate.vertices).mean(axis=0) - estimate.vertices.mean(axis=0) if len(mesh.vertices) else 0
    icp = {
        "shift_m": float(np.linalg.norm(shift)),
        "turn_deg": float(angles_deg(motion.R[None])[0]),
        "partners": partners,
    }
    return {"truth": origin, "alignment": "se3" if fit.scale == 1.0 else "sim3", **figures, "icp": icp}, placed


def _mesh(reader: MapReader, component: int) -> Mesh:
    stored = reader.surface() if reader.header.components == 1 else None
    return stored or map_mesh(reader, component)
