"""Bundle adjustment by pycolmap, as a function on plain arrays: the same input gives the same bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import streammtl  # noqa: F401  loads zlib before pycolmap does
from mapping.slam.colmap_conversions import from_world, to_colmap, to_rigid
from mapping.slam.rigid import inverse
from streammtl.camera import Camera

import pycolmap  # isort: skip

# An inverse depth enters bundle adjustment as the disparity of a virtual camera beside the real one. Its focal length
# is small, so that the ray's direction counts for nothing beside the disparity; the product with the baseline sets the
# weight: one pixel of residual for 1 / (focal_px * 0.2 m) of inverse depth, about 4 cm at 2 m and 500 px. So noisy is
# structured light with 7.5 cm between projector and sensor and a disparity that is good to 0.4 px.
_DISPARITY_BASELINE_M = 0.2
_DISPARITY_SHRINK = 50.0


@dataclass
class Observations:
    """Who sees what: one row per sighting of a point in a view."""

    view: np.ndarray  # i64 [M] rows of the poses
    point: np.ndarray  # i64 [M] rows of the points
    uv: np.ndarray  # f64 [M,2] pixels, integer centres
    depth_m: np.ndarray  # f64 [M] measured depth of the point in the view, 0 = none


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
        adjusted[k] = from_world(scene.frame(k + 1).rig_from_world)
    return adjusted, np.array([scene.point3D(i).xyz for i in ids]).reshape(-1, 3)


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
    frame.rig_from_world = to_rigid(T_cam_world)
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
