"""Images of one camera with features and matches in a COLMAP database, ready to be mapped.

Cameras have pixel centres at integers; COLMAP's origin is the corner of the first pixel, half a pixel away. The same
images give the same bits: images get their numbers before features are extracted, solvers run on one thread, RANSAC is
seeded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

import streammtl  # noqa: F401  loads zlib before pycolmap does
from mapping.slam.colmap_conversions import to_colmap
from streammtl.camera import CAMERA_MODELS, Camera

import pycolmap  # isort: skip

FEATURE_IMAGE_SIDE_PX = 800  # larger images are shrunk for feature extraction
MIN_START_ANGLE_DEG = 8.0  # video: neighbouring views see a point under small angles


class ImageScene:
    """Grey images in a folder of its own, with SIFT features. Image k has the name %06d.png and the id k + 1."""

    def __init__(self, images: Iterable[np.ndarray], folder: Path, seed: int, features: int) -> None:
        """Images u8 [H,W,3] RGB, all of one size, read once; at most `features` points are found in each."""
        self.images, self.database, self._models = folder / "images", folder / "database.db", folder / "models"
        self.seed = seed
        self.images.mkdir()
        self._models.mkdir()
        self.count = 0
        for image in images:
            grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            coded = cv2.imencode(".png", grey, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
            (self.images / self.name(self.count)).write_bytes(coded.tobytes())
            self.count += 1
        self._extract(features)

    @staticmethod
    def name(position: int) -> str:
        return f"{position:06d}.png"

    def _extract(self, features: int) -> None:
        names = [self.name(position) for position in range(self.count)]
        single, reader = pycolmap.CameraMode.SINGLE, pycolmap.ImageReaderOptions(camera_model="SIMPLE_PINHOLE")
        pycolmap.Database.open(self.database).close()  # creates it
        pycolmap.import_images(self.database, self.images, single, names, reader)
        options = pycolmap.FeatureExtractionOptions(max_image_size=FEATURE_IMAGE_SIDE_PX)
        options.sift.max_num_features = features
        options.sift.first_octave = 0
        pycolmap.extract_features(self.database, self.images, names, single, reader, options, pycolmap.Device.cpu)

    def descriptors(self, position: int) -> np.ndarray:
        """SIFT descriptors u8 [n,128] of an image."""
        database = pycolmap.Database.open(self.database)
        found = database.read_descriptors(position + 1)
        database.close()
        return np.asarray(found.data)

    def match(self, pairs: Sequence[tuple[int, int]] | None = None) -> None:
        """Matches and verifies the pairs of positions, every pair when none are named."""
        verification = pycolmap.TwoViewGeometryOptions(detect_watermark=False)
        verification.ransac.random_seed = self.seed
        common = {"verification_options": verification, "device": pycolmap.Device.cpu}
        if pairs is None:
            pycolmap.match_exhaustive(self.database, **common)
            return
        listed = self.database.with_name("pairs.txt")
        listed.write_text("".join(f"{self.name(a)} {self.name(b)}\n" for a, b in pairs))
        pairing = pycolmap.ImportedPairingOptions(match_list_path=listed)
        pycolmap.match_image_pairs(self.database, pairing_options=pairing, **common)

    def map_step_by_step(
        self, camera: Camera, refine: bool = False, several: bool = False
    ) -> pycolmap.Reconstruction | None:
        """The largest model of incremental mapping, or None. The camera is held fixed unless `refine`.

        several: where not all images fit together, more models are begun, and the first is not always the largest.
        """
        self._store(camera)
        options = pycolmap.IncrementalPipelineOptions(
            multiple_models=several, min_model_size=3, extract_colors=False, num_threads=1, random_seed=self.seed,
            ba_refine_focal_length=refine, ba_refine_extra_params=refine,
        )  # fmt: skip
        options.mapper.abs_pose_refine_focal_length = refine
        options.mapper.abs_pose_refine_extra_params = refine
        options.mapper.init_min_tri_angle = MIN_START_ANGLE_DEG
        found = pycolmap.incremental_mapping(self.database, self.images, self._models, options)
        return max(found.values(), key=sightings, default=None)

    def map_at_once(self, camera: Camera, refine: bool = False) -> pycolmap.Reconstruction | None:
        """The largest model of global mapping, or None. The camera is held fixed unless `refine`."""
        self._store(camera)
        options = pycolmap.GlobalPipelineOptions(num_threads=1, random_seed=self.seed)
        options.mapper.bundle_adjustment.refine_focal_length = refine
        options.mapper.bundle_adjustment.refine_extra_params = refine
        found = pycolmap.global_mapping(self.database, self.images, self._models, options)
        return max(found.values(), key=sightings, default=None)

    def _store(self, camera: Camera) -> None:
        database = pycolmap.Database.open(self.database)
        stored = to_colmap(camera, camera_id=1)
        stored.has_prior_focal_length = True  # else the first pair brings a focal length of its own, often a wrong one
        database.update_camera(stored)
        database.close()


def sightings(model: pycolmap.Reconstruction | None) -> int:
    """Observations of a model, the measure of how much it explains."""
    return 0 if model is None else model.compute_num_observations()


def from_colmap(camera: pycolmap.Camera) -> Camera:
    """Our camera: the principal point moves by half a pixel."""
    params = [float(value) for value in camera.params]
    first = CAMERA_MODELS[camera.model.name][0] - 2
    params[first] -= 0.5
    params[first + 1] -= 0.5
    return Camera(camera.model.name, camera.width, camera.height, tuple(params))


@contextmanager
def quiet() -> Iterator[None]:
    """COLMAP writes every step, and every failed attempt, to stderr unless told otherwise."""
    before = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = pycolmap.logging.FATAL.value
    try:
        yield
    finally:
        pycolmap.logging.minloglevel = before
