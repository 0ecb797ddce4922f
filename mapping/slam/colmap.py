"""Multi-view geometry by pycolmap, as functions on plain arrays.

Poses in and out are T_world_cam f64 [4,4]; pixels have their centres at integers. COLMAP's poses are world-to-camera
and its pixel origin is the corner of the first pixel, so half a pixel is added on the way in. Every call builds what it
needs and keeps nothing: the same input gives the same bits (one thread, fixed RANSAC seeds).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import streammtl  # noqa: F401  loads zlib before pycolmap does
from mapping.slam.pose_refinement import refine
from mapping.slam.rigid import inverse
from streammtl.camera import CAMERA_MODELS, Camera

import pycolmap  # isort: skip

# An inverse depth enters bundle adjustment as the disparity of a virtual camera beside the real one. Its focal length
# is small, so that the ray's direction counts for nothing beside the disparity; the product with the baseline sets the
# weight: one pixel of residual for 1 / (focal_px * 0.4 m) of inverse depth, about 2 cm at 2 m and 500 px.
_DISPARITY_BASELINE_M = 0.4
_DISPARITY_SHRINK = 50.0


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


@dataclass
class Observations:
    """Who sees what: one row per sighting of a point in a view."""

    view: np.ndarray  # i64 [M] rows of the poses
    point: np.ndarray  # i64 [M] rows of the points
    uv: np.ndarray  # f64 [M,2] pixels, integer centres
    depth_m: np.ndarray  # f64 [M] measured depth of the point in the view, 0 = none


def to_colmap(camera: Camera, camera_id: int = 1) -> pycolmap.Camera:
    """COLMAP's camera: the principal point moves by half a pixel."""
    params = list(camera.params)
    first = CAMERA_MODELS[camera.model][0] - 2  # cx and cy follow the focal lengths
    params[first] += 0.5
    params[first + 1] += 0.5
    return pycolmap.Camera(
        model=camera.model, width=camera.width, height=camera.height, params=params, camera_id=camera_id
    )


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
    T_cam1_cam0 = _to_matrix(found.cam2_from_cam1)
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
    T_world_cam = _from_world(found["cam_from_world"])
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
    rigid = [_to_rigid(T_cam_world) for T_cam_world in inverse(T_world_cam)]
    points = np.full((len(sightings), 3), np.nan)
    for i, (rows, uv) in enumerate(sightings):
        if len(rows) < 2:
            continue
        found = pycolmap.estimate_triangulation(uv + 0.5, [rigid[r] for r in rows], [view] * len(rows), options)
        if found is not None and np.sum(found["inliers"]) >= max(2, 0.6 * len(rows)):
            points[i] = found["xyz"]
    return points


def bundle_adjust(
    T_world_cam: np.ndarray,
    points: np.ndarray,
    observations: Observations,
    camera: Camera,
    fixed: np.ndarray,
    max_iterations: int = 10,
) -> tuple[np.ndarray, np.ndarray]:
    """Poses f64 [K,4,4] and points f64 [P,3] that minimise the Huber (1 px) reprojection error.

    Views marked in `fixed` bool [K] stay where they are; at least one must be. Measured depths count as disparities of
    a virtual camera, which makes the result metric.
    """
    scene = pycolmap.Reconstruction()
    _add_rig(scene, camera)
    tracks = [pycolmap.Track() for _ in points]
    config = pycolmap.BundleAdjustmentConfig()
    config.set_constant_cam_intrinsics(1)
    config.set_constant_cam_intrinsics(2)
    T_cam_world = inverse(T_world_cam)
    for k in range(len(T_world_cam)):
        rows = np.flatnonzero(observations.view == k)
        for image_id, points_seen in _add_view(scene, camera, k, T_cam_world[k], observations, rows):
            config.add_image(image_id)
            for i, p in enumerate(points_seen.tolist()):
                tracks[p].add_element(image_id, i)
        if fixed[k]:
            config.set_constant_rig_from_world_pose(k + 1)
    ids = [scene.add_point3D(xyz, track) for xyz, track in zip(points, tracks, strict=True)]
    pycolmap.create_default_bundle_adjuster(_adjustment_options(max_iterations), config, scene).solve()
    adjusted = np.array(T_world_cam)
    for k in np.flatnonzero(~fixed).tolist():
        adjusted[k] = _from_world(scene.frame(k + 1).rig_from_world)
    return adjusted, np.array([scene.point3D(i).xyz for i in ids]).reshape(-1, 3)


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


def _add_rig(scene: pycolmap.Reconstruction, camera: Camera) -> None:
    scene.add_camera(to_colmap(camera))
    # No focal length in y: the virtual camera measures disparity, and the rows were measured already.
    params = [camera.fx / _DISPARITY_SHRINK, 1e-9, 0.0, 0.0]
    scene.add_camera(
        pycolmap.Camera(model="PINHOLE", width=camera.width, height=camera.height, params=params, camera_id=2)
    )
    rig = pycolmap.Rig(rig_id=1)
    rig.add_ref_sensor(pycolmap.sensor_t(pycolmap.SensorType.CAMERA, 1))
    shift = np.array([-_DISPARITY_SHRINK * _DISPARITY_BASELINE_M, 0.0, 0.0])
    beside = pycolmap.Rigid3d(pycolmap.Rotation3d(), shift)
    rig.add_sensor(pycolmap.sensor_t(pycolmap.SensorType.CAMERA, 2), beside)
    scene.add_rig(rig)


def _add_view(
    scene: pycolmap.Reconstruction,
    camera: Camera,
    k: int,
    T_cam_world: np.ndarray,
    seen: Observations,
    rows: np.ndarray,
) -> list[tuple[int, np.ndarray]]:
    """Adds one view with its two images; gives their ids and the points that their keypoints see."""
    uv, depth = seen.uv[rows], seen.depth_m[rows]
    measured = depth > 0
    slope = (uv[measured, 0] - camera.cx) / camera.fx - _DISPARITY_SHRINK * _DISPARITY_BASELINE_M / depth[measured]
    disparity = np.stack([slope * camera.fx / _DISPARITY_SHRINK, np.zeros(len(slope))], axis=1)
    images = [
        pycolmap.Image(name=f"{k}", keypoints=uv + 0.5, camera_id=1, image_id=2 * k + 1),
        pycolmap.Image(name=f"{k}d", keypoints=disparity, camera_id=2, image_id=2 * k + 2),
    ]
    frame = pycolmap.Frame(frame_id=k + 1, rig_id=1)
    for image in images:
        frame.add_data_id(image.data_id)
        image.frame_id = k + 1
    frame.rig_from_world = _to_rigid(T_cam_world)
    scene.add_frame(frame)
    for image in images:
        scene.add_image(image)
    scene.register_frame(k + 1)
    return [(2 * k + 1, seen.point[rows]), (2 * k + 2, seen.point[rows][measured])]


def _adjustment_options(max_iterations: int) -> pycolmap.BundleAdjustmentOptions:
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_focal_length = options.refine_principal_point = options.refine_extra_params = False
    options.refine_sensor_from_rig = options.print_summary = False
    options.ceres.loss_function_type = pycolmap.LossFunctionType.HUBER
    options.ceres.loss_function_scale = 1.0
    options.ceres.solver_options.max_num_iterations = max_iterations
    options.ceres.solver_options.function_tolerance = 1e-4
    options.ceres.solver_options.num_threads = 1
    return options


def _to_rigid(T: np.ndarray) -> pycolmap.Rigid3d:
    return pycolmap.Rigid3d(np.ascontiguousarray(T[:3]))


def _to_matrix(rigid: pycolmap.Rigid3d) -> np.ndarray:
    return np.vstack([rigid.matrix(), [0.0, 0.0, 0.0, 1.0]])


def _from_world(cam_from_world: pycolmap.Rigid3d) -> np.ndarray:
    return inverse(_to_matrix(cam_from_world))
