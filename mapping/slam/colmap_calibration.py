"""Structure from motion by pycolmap on a few images, for the sake of their camera.

Cameras have pixel centres at integers; COLMAP's origin is the corner of the first pixel, half a pixel away. The same
images give the same bits: images get their numbers before features are extracted, solvers run on one thread, RANSAC is
seeded.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

import streammtl  # noqa: F401  loads zlib before pycolmap does
from mapping.slam.colmap import to_colmap
from streammtl.camera import CAMERA_MODELS, Camera

import pycolmap  # isort: skip

FEATURES = 3000  # per image
FEATURE_IMAGE_SIDE_PX = 800  # larger images are shrunk for feature extraction
# Focal lengths to start from, times the longer side. A start must be within some 20 % for the views to fit together.
START_FOCALS = (0.5, 0.75, 1.0, 1.35)
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


class CalibrationScene:
    """Images with their features and matches, in a folder of its own, ready to be mapped with any camera."""

    def __init__(self, images: Sequence[np.ndarray], folder: Path, seed: int) -> None:
        """Images u8 [H,W,3] RGB of one camera: SIFT features, every pair matched and verified."""
        self._images, self._database, self._models = folder / "images", folder / "database.db", folder / "models"
        self._seed = seed
        self._images.mkdir()
        self._models.mkdir()
        names = [f"{number:04d}.png" for number in range(len(images))]
        for name, image in zip(names, images, strict=True):
            grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            coded = cv2.imencode(".png", grey, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
            (self._images / name).write_bytes(coded.tobytes())
        self._extract(names)
        verification = pycolmap.TwoViewGeometryOptions(detect_watermark=False)
        verification.ransac.random_seed = seed
        pycolmap.match_exhaustive(self._database, verification_options=verification, device=pycolmap.Device.cpu)

    def _extract(self, names: list[str]) -> None:
        single, reader = pycolmap.CameraMode.SINGLE, pycolmap.ImageReaderOptions(camera_model="SIMPLE_PINHOLE")
        pycolmap.Database.open(self._database).close()  # creates it
        pycolmap.import_images(self._database, self._images, single, names, reader)
        options = pycolmap.FeatureExtractionOptions(max_image_size=FEATURE_IMAGE_SIDE_PX)
        options.sift.max_num_features = FEATURES
        options.sift.first_octave = 0
        pycolmap.extract_features(self._database, self._images, names, single, reader, options, pycolmap.Device.cpu)

    def map(self, camera: Camera) -> pycolmap.Reconstruction | None:
        """The largest model that incremental mapping finds with this camera held fixed, or None."""
        database = pycolmap.Database.open(self._database)
        stored = to_colmap(camera, camera_id=1)
        stored.has_prior_focal_length = True  # else the first pair brings a focal length of its own, often a wrong one
        database.update_camera(stored)
        database.close()
        options = pycolmap.IncrementalPipelineOptions(
            multiple_models=False, min_model_size=3, extract_colors=False, num_threads=1, random_seed=self._seed,
            ba_refine_focal_length=False, ba_refine_extra_params=False,
        )  # fmt: skip
        options.mapper.abs_pose_refine_focal_length = False
        options.mapper.abs_pose_refine_extra_params = False
        options.mapper.init_min_tri_angle = 8.0  # video: neighbouring views see a point under small angles
        found = pycolmap.incremental_mapping(self._database, self._images, self._models, options)
        return max(found.values(), key=_sightings, default=None)


def _sightings(model: pycolmap.Reconstruction | None) -> int:
    return 0 if model is None else model.compute_num_observations()


def solve_cameras(images: Sequence[np.ndarray], seed: int = 0) -> list[SolvedCamera]:
    """One camera for all u8 [H,W,3] RGB images: without distortion and with one radial term; empty when nothing fits.

    The scene is mapped with several focal lengths held fixed, principal point in the middle; the one under which most
    sightings agree is refined by bundle adjustment. With that camera the scene is mapped and adjusted once more, so
    that the points it rests on were not chosen by the rough start.
    """
    with tempfile.TemporaryDirectory(prefix="calibration-") as folder, _quiet():
        scene = CalibrationScene(images, Path(folder), seed)
        best = _best_start(scene, *images[0].shape[:2])
        if best is None:
            return []
        rough = _adjusted_both(best)
        again = scene.map(rough[1].camera if _is_plausible(rough[1]) else rough[0].camera)
        return rough if _sightings(again) < _sightings(best) else _adjusted_both(again)


def _best_start(scene: CalibrationScene, height: int, width: int) -> pycolmap.Reconstruction | None:
    """The two middle focal lengths first, then the one beyond the better of them: sightings fall off on both sides."""

    def mapped(factor: float) -> pycolmap.Reconstruction | None:
        params = (factor * max(width, height), (width - 1) / 2, (height - 1) / 2)
        return scene.map(Camera("SIMPLE_PINHOLE", width, height, params))

    widest, wide, narrow, narrowest = START_FOCALS
    middle = [mapped(wide), mapped(narrow)]
    outer = mapped(widest if _sightings(middle[0]) >= _sightings(middle[1]) else narrowest)
    return max((*middle, outer), key=_sightings)


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
        camera=_from_colmap(model.camera(1)),
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


def _from_colmap(camera: pycolmap.Camera) -> Camera:
    params = [float(value) for value in camera.params]
    first = CAMERA_MODELS[camera.model.name][0] - 2  # the principal point moves by half a pixel
    params[first] -= 0.5
    params[first + 1] -= 0.5
    return Camera(camera.model.name, camera.width, camera.height, tuple(params))


@contextmanager
def _quiet() -> Iterator[None]:
    """COLMAP writes every step, and every failed attempt, to stderr unless told otherwise."""
    before = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = pycolmap.logging.FATAL.value
    try:
        yield
    finally:
        pycolmap.logging.minloglevel = before
