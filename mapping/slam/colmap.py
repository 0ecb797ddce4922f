"""Multi-view geometry by pycolmap, as functions on plain arrays.

Poses in and out are T_world_cam f64 [4,4]; pixels have their centres at integers, so half a pixel is added on the way
in. Every call builds what it needs and keeps nothing: the same input gives the same bits (one thread, fixed RANSAC
seeds).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import streammtl  # noqa: F401  loads zlib before pycolmap does
from mapping.slam.colmap_conversions import from_world, to_colmap, to_matrix, to_rigid
from mapping.slam.pose_refinement import refine
from mapping.slam.rigid import inverse
from streammtl.camera import Camera

import pycolmap  # isort: skip


@dataclass
class TwoView:
    """Relative pose of two views; translation has length 1."""

    T_cam0_cam1: np.ndarray  # f64 [4,4]
    inliers: np.ndarray  # bool [N]
    angle_deg: float  # median triangulation angle
    calibrated: bool  # False: planar, panoramic or otherwise degenerate; the pose is not to be trusted


@dataclass
class AbsolutePose:
    """Pose of a view among known points."""

    T_world_cam: np.ndarray  # f64 [4,4]
    inliers: np.ndarray  # bool [N]


def two_view(uv0: np.ndarray, uv1: np.ndarray, camera: Camera, seed: int, max_error_px: float = 1.0) -> TwoView | None:
    """Relative pose of two views of one camera from matched pixels uv0, uv1 f64 [N,2], or None."""
    options = pycolmap.TwoViewGeometryOptions()
    options.ransac.random_seed = seed
    options.ransac.max_error = max_error_px
    options.compute_relative_pose = True
    options.detect_watermark = False
    view = to_colmap(camera)
    matches = np.repeat(np.arange(len(uv0), dtype=np.uint32)[:, None], 2, axis=1)
    found = pycolmap.estimate_calibrated_two_view_geometry(view, uv0 + 0.5, view, uv1 + 0.5, matches, options)
    if found.cam2_from_cam1 is None or not len(found.inlier_matches):
        return None
    inliers = np.zeros(len(uv0), bool)
    inliers[found.inlier_matches[:, 0]] = True
    T_cam1_cam0 = to_matrix(found.cam2_from_cam1)
    calibrated = found.config == int(pycolmap.TwoViewGeometryConfiguration.CALIBRATED)
    return TwoView(inverse(T_cam1_cam0), inliers, float(np.degrees(found.tri_angle)), calibrated)


def absolute_pose(
    uv: np.ndarray,
    xyz: np.ndarray,
    camera: Camera,
    seed: int,
    prior: np.ndarray | None = None,
    max_error_px: float = 3.0,
) -> AbsolutePose | None:
    """Pose from pixels uv f64 [N,2] of known points xyz f64 [N,3], or None when no pose explains at least 4 of them.

    With a prior T_world_cam, robust refinement from it is tried first; random sampling follows only where that leaves
    more than a third of the points unexplained.
    """
    if len(uv) < 4:
        return None
    if prior is not None:
        refined = refine_pose(uv, xyz, camera, prior, np.ones(len(uv), bool), max_error_px)
        if refined is not None and refined.inliers.sum() > 0.67 * len(uv):
            return refined
    options = pycolmap.AbsolutePoseEstimationOptions()
    options.ransac.random_seed = seed
    options.ransac.max_error = max_error_px
    options.ransac.max_num_trials = 1000
    found = pycolmap.estimate_and_refine_absolute_pose(uv + 0.5, xyz, to_colmap(camera), options)
    if found is None:
        return None
    T_world_cam = from_world(found["cam_from_world"])
    return AbsolutePose(T_world_cam, reprojection_error(uv, xyz, camera, T_world_cam) < max_error_px)


def refine_pose(
    uv: np.ndarray, xyz: np.ndarray, camera: Camera, T_world_cam: np.ndarray, use: np.ndarray, max_error_px: float = 3.0
) -> AbsolutePose | None:
    """Robust (Cauchy, 1 px) least-squares refinement of a pose on the points `use`; inliers are counted over all."""
    if use.sum() < 4:
        return None
    refined = refine(uv[use], xyz[use], camera, T_world_cam)
    if refined is None:
        return None
    return AbsolutePose(refined, reprojection_error(uv, xyz, camera, refined) < max_error_px)


def triangulate(
    sightings: Sequence[tuple[np.ndarray, np.ndarray]],
    T_world_cam: np.ndarray,
    camera: Camera,
    seed: int,
    min_angle_deg: float,
    max_error_px: float = 2.0,
) -> np.ndarray:
    """Points f64 [N,3] from sightings in several views each, NaN where the views do not agree on one.

    `sightings` holds per point (rows of T_world_cam f64 [K,4,4], pixels f64 [n,2]); a point needs two inlier views, a
    triangulation angle of min_angle_deg and positive depth.
    """
    options = pycolmap.EstimateTriangulationOptions()
    options.min_tri_angle = np.radians(min_angle_deg)
    options.residual_type = pycolmap.TriangulationResidualType.REPROJECTION_ERROR
    options.ransac.max_error = max_error_px
    options.ransac.random_seed = seed
    view = to_colmap(camera)
    rigid = [to_rigid(T_cam_world) for T_cam_world in inverse(T_world_cam)]
    points = np.full((len(sightings), 3), np.nan)
    for i, (rows, uv) in enumerate(sightings):
        if len(rows) < 2:
            continue
        found = pycolmap.estimate_triangulation(uv + 0.5, [rigid[r] for r in rows], [view] * len(rows), options)
        if found is not None and np.sum(found["inliers"]) >= max(2, 0.6 * len(rows)):
            points[i] = found["xyz"]
    return points


def reprojection_error(uv: np.ndarray, xyz: np.ndarray, camera: Camera, T_world_cam: np.ndarray) -> np.ndarray:
    """Distance f64 [N], pixels, between uv and the projections of xyz into a pinhole view; inf behind the camera."""
    T_cam_world = inverse(T_world_cam)
    in_camera = xyz @ T_cam_world[:3, :3].T + T_cam_world[:3, 3]
    z = in_camera[:, 2]
    projected = in_camera[:, :2] / np.where(z > 1e-6, z, 1.0)[:, None]
    error = np.hypot(
        projected[:, 0] * camera.fx + camera.cx - uv[:, 0], projected[:, 1] * camera.fy + camera.cy - uv[:, 1]
    )
    return np.where(z > 1e-6, error, np.inf)
