"""Structure from motion by pycolmap on a few images, for the sake of their camera."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import streammtl  # noqa: F401  loads zlib before pycolmap does
from mapping.slam.colmap_scene import ImageScene, from_colmap, quiet, sightings
from streammtl.camera import Camera

import pycolmap  # isort: skip

FEATURES = 3000  # per image
# Focal lengths to start from, times the longer side. A start must be within some 20 % for the views to fit together.
START_FOCALS = (0.5, 0.75, 1.0, 1.35)
HINT_FITS = 0.8  # share of the images that must fit together under a focal length told beforehand
MEDIAN_OF_RAYLEIGH = 1.1774  # median length of a 2D error, in standard deviations of each coordinate


@dataclass(frozen=True)
class SolvedCamera:
    """A camera that explains the images, and how well."""

    camera: Camera
    registered: int  # images that found their place
    points: int
    error_px: float  # median reprojection error
    angle_deg: float  # median over the points of the largest angle between two of their rays
    focal_sigma_px: float | None  # standard deviations; None when they could not be computed
    radial_sigma: float | None  # of the radial term, None without one


def solve_cameras(images: Sequence[np.ndarray], seed: int = 0, focal_px: float | None = None) -> list[SolvedCamera]:
    """One camera for all u8 [H,W,3] RGB images: without distortion and with one radial term; empty when nothing fits.

    The scene is mapped with several focal lengths held fixed, principal point in the middle; the one under which most
    sightings agree is refined by bundle adjustment. With that camera the scene is mapped and adjusted once more, so
    that the points it rests on were not chosen by the rough start. With a first `focal_px` the search is left out where
    most images fit together under it.
    """
    with tempfile.TemporaryDirectory(prefix="calibration-") as folder, quiet():
        scene = ImageScene(images, Path(folder), seed, FEATURES)
        scene.match()
        best = _best_start(scene, *images[0].shape[:2], focal_px)
        if best is None:
            return []
        rough = _adjusted_both(best)
        again = scene.map_step_by_step(rough[1].camera if _is_plausible(rough[1]) else rough[0].camera)
        return rough if sightings(again) < sightings(best) else _adjusted_both(again)


def _best_start(scene: ImageScene, height: int, width: int, focal_px: float | None) -> pycolmap.Reconstruction | None:
    """The two middle focal lengths first, then the one beyond the better of them: sightings fall off on both sides."""

    def mapped(focal_px: float) -> pycolmap.Reconstruction | None:
        params = (focal_px, (width - 1) / 2, (height - 1) / 2)
        return scene.map_step_by_step(Camera("SIMPLE_PINHOLE", width, height, params))

    if focal_px is not None:
        found = mapped(focal_px)
        if found is not None and found.num_reg_images() > HINT_FITS * scene.count:
            return found
    widest, wide, narrow, narrowest = (factor * max(width, height) for factor in START_FOCALS)
    middle = [mapped(wide), mapped(narrow)]
    outer = mapped(widest if sightings(middle[0]) >= sightings(middle[1]) else narrowest)
    return max((*middle, outer), key=sightings)


def _is_plausible(radial: SolvedCamera) -> bool:
    """Whether a camera with a radial term is worth mapping with."""
    return radial.radial_sigma is not None and 3 * radial.radial_sigma < abs(radial.camera.distortion[0]) < 0.5


def _adjusted_both(model: pycolmap.Reconstruction) -> list[SolvedCamera]:
    """Bundle adjustment without and then with a radial term."""
    camera = model.camera(1)
    if camera.model == pycolmap.CameraModelId.SIMPLE_RADIAL:
        params = list(camera.params)[:3]
        camera.model = pycolmap.CameraModelId.SIMPLE_PINHOLE
        camera.params = params
    plain = _adjust(model)
    params = list(camera.params)
    camera.model = pycolmap.CameraModelId.SIMPLE_RADIAL
    camera.params = [*params, 0.0]
    return [plain, _adjust(model)]


def _adjust(model: pycolmap.Reconstruction) -> SolvedCamera:
    """Bundle adjustment of everything but the principal point, and what came of it."""
    options = pycolmap.BundleAdjustmentOptions(print_summary=False)
    options.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
    options.ceres.solver_options.num_threads = 1
    options.ceres.solver_options.function_tolerance = 1e-7
    config = pycolmap.BundleAdjustmentConfig()
    for number in model.reg_image_ids():
        config.add_image(number)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    adjuster = pycolmap.create_default_ceres_bundle_adjuster(options, config, model)
    adjuster.solve()
    model.update_point_3d_errors()
    error_px = float(np.median([point.error for point in model.points3D.values()])) if model.points3D else np.inf
    covariances = pycolmap.estimate_ba_covariance(pycolmap.BACovarianceOptions(), model, adjuster)
    covariance = None if covariances is None else covariances.get_other_params_cov(model.camera(1).params)
    unit = error_px / MEDIAN_OF_RAYLEIGH
    sigma = [] if covariance is None else [float(value) for value in np.sqrt(np.diag(covariance)) * unit]
    return SolvedCamera(
        camera=from_colmap(model.camera(1)),
        registered=model.num_reg_images(),
        points=model.num_points3D(),
        error_px=error_px,
        angle_deg=_median_angle_deg(model),
        focal_sigma_px=sigma[0] if sigma else None,
        radial_sigma=sigma[1] if len(sigma) > 1 else None,
    )


def _median_angle_deg(model: pycolmap.Reconstruction) -> float:
    """How different the directions are from which points were seen: what tells distance from focal length."""
    centres = {number: model.image(number).projection_center() for number in model.reg_image_ids()}
    angles = []
    for point in model.points3D.values():
        rays = np.array([centres[element.image_id] for element in point.track.elements]) - point.xyz
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        angles.append(np.degrees(np.arccos(np.clip((rays @ rays.T).min(), -1, 1))))
    return float(np.median(angles)) if angles else 0.0
