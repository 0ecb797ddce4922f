"""Structure from motion by pycolmap over all keyframes of a recording."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

import streammtl  # noqa: F401  loads zlib before pycolmap does
from mapping.slam.colmap_scene import ImageScene, from_colmap, quiet, sightings
from mapping.slam.quality_model import QualityModel, SeenPoints
from mapping.slam.quality_pairs import image_pairs
from mapping.slam.rigid import inverse
from streammtl.camera import Camera
from streammtl.errors import GeometryError

import pycolmap  # isort: skip

logger = logging.getLogger(__name__)

FEATURES = 2000  # per image
FEW_IMAGES = 100  # up to so many, step by step is as quick as at once, and surer
ENOUGH = 0.9  # share of the images; with fewer, the other mapper is tried too
MIN_TRACK = 3  # sightings of a point that is worth following


def solve_keyframes(
    images: Iterable[np.ndarray], indices: list[int], camera: Camera, refine: bool, seed: int
) -> QualityModel:
    """Poses of images u8 [H,W,3] RGB, frames `indices` of a recording, and the points they see.

    refine: the camera is a first estimate: one focal length and one radial term are adjusted with the poses.
    Recordings with many images and a known camera go through global mapping, all others through incremental mapping;
    where less than nine in ten images find their place, the other is tried and the better one taken.
    Raises: GeometryError when no two images fit together.
    """
    with tempfile.TemporaryDirectory(prefix="quality-") as folder, quiet():
        started = time.monotonic()
        scene = ImageScene(images, Path(folder), seed, FEATURES)
        logger.info("%d keyframes with features after %.0f s", scene.count, time.monotonic() - started)
        scene.match(image_pairs(scene.count, scene.descriptors))
        logger.info("matched after %.0f s", time.monotonic() - started)
        start = _with_radial_term(camera) if refine else camera
        model, method = _mapped(scene, start, refine)
        logger.info("mapped after %.0f s", time.monotonic() - started)
        if model is None:
            raise GeometryError(
                "the images do not fit together: no two of them share enough texture seen from different places. Film "
                "with sideways motion, or map without --quality."
            )
        _adjust(model, refine)
        return _plain(model, indices, scene.count, method)


def _mapped(scene: ImageScene, camera: Camera, refine: bool) -> tuple[pycolmap.Reconstruction | None, str]:
    step_by_step = partial(scene.map_step_by_step, several=True)
    mappers = [(step_by_step, "incremental mapping"), (scene.map_at_once, "global mapping")]
    if scene.count > FEW_IMAGES and not refine:
        mappers.reverse()
    found = []
    for mapper, method in mappers:
        found.append((mapper(camera, refine), method))
        model = found[-1][0]
        if model is not None and model.num_reg_images() >= ENOUGH * scene.count:
            return found[-1]
        logger.warning("%s placed %d of %d images", method, model.num_reg_images() if model else 0, scene.count)
    return max(found, key=lambda entry: sightings(entry[0]))


def _with_radial_term(camera: Camera) -> Camera:
    radial = camera.distortion[0] if camera.distortion else 0.0
    params = (camera.fx, camera.cx, camera.cy, float(radial))
    return Camera("SIMPLE_RADIAL", camera.width, camera.height, params)


def _adjust(model: pycolmap.Reconstruction, refine: bool) -> None:
    """Bundle adjustment of everything with a loss that bears outliers, then without the worst sightings once more."""
    options = pycolmap.BundleAdjustmentOptions(print_summary=False)
    options.refine_focal_length = options.refine_extra_params = refine
    options.refine_principal_point = False
    options.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
    options.ceres.loss_function_scale = 1.0
    options.ceres.solver_options.num_threads = 1
    options.ceres.solver_options.max_num_iterations = 30
    options.ceres.solver_options.function_tolerance = 1e-6
    pycolmap.bundle_adjustment(model, options)
    pycolmap.ObservationManager(model).filter_all_points3D(3.0, 1.0)  # pixels, degrees
    pycolmap.bundle_adjustment(model, options)


def _plain(model: pycolmap.Reconstruction, indices: list[int], count: int, method: str) -> QualityModel:
    """The model as arrays, points renumbered."""
    kept = [number for number, point in model.points3D.items() if point.track.length() >= MIN_TRACK]
    row = {number: i for i, number in enumerate(sorted(kept))}
    model.update_point_3d_errors()
    points = np.array([model.points3D[number].xyz for number in row]).reshape(-1, 3)
    errors = [model.points3D[number].error for number in row]
    result = QualityModel(from_colmap(model.camera(1)), points, keyframes=count, registered=model.num_reg_images())
    result.error_px, result.method = float(np.mean(errors)) if errors else np.nan, method
    for image_id in model.reg_image_ids():
        image = model.image(image_id)
        index = indices[image_id - 1]
        T_cam_world = np.vstack([image.cam_from_world().matrix(), [0.0, 0.0, 0.0, 1.0]])
        result.T_world_cam[index] = inverse(T_cam_world)
        seen = [(p.xy, row[p.point3D_id]) for p in image.points2D if p.has_point3D() and p.point3D_id in row]
        uv = np.array([xy for xy, _ in seen]).reshape(-1, 2) - 0.5
        result.seen[index] = SeenPoints(uv, np.array([i for _, i in seen], np.int64))
    return result
