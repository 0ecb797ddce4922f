"""`streammtl map --quality`: the poses first, by bundle adjustment over the whole recording; then the usual way."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from mapping.slam.quality import solve_offline
from mapping.slam.quality_model import SIGNATURE
from recordings import Recording
from streammtl.camera import Camera
from streammtl.errors import StoreError

logger = logging.getLogger(__name__)


def model_folder(out: Path) -> Path:
    """Where the poses of a map are kept: a COLMAP text model beside it."""
    return out.with_name(f"{out.stem}.colmap")


def is_solved(folder: Path) -> bool:
    """Whether a whole model of our own is there."""
    images = folder / "images.txt"
    return images.is_file() and images.open().readline().startswith(SIGNATURE)


def solve(recording: Recording, camera: Camera, refine: bool, seed: int, folder: Path) -> Camera:
    """Writes the poses of a recording as a COLMAP model; gives the camera, adjusted where `refine`.

    Raises: GeometryError when the images do not fit together, StoreError when the folder holds something else.
    """
    if folder.exists() and not is_solved(folder):
        raise StoreError(f"{folder} exists already and is no model of --quality. Move it, or choose another --out.")
    model = solve_offline(recording.frames, camera, refine, seed)
    names = {index: _name(recording, index) for index in model.T_world_cam}
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    model.write(part, names)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    logger.warning(
        "%d frames posed by %s: %d of %d keyframes, mean error %.2f pixels, focal length %.1f. Kept in %s.",
        len(model.T_world_cam), model.method, model.registered, model.keyframes, model.error_px, model.camera.fx,
        folder,
    )  # fmt: skip
    return model.camera


def _name(recording: Recording, index: int) -> str:
    """The image a frame comes from; its position where it comes from a video."""
    return f"{recording.image_names[index] if recording.image_names else f'{index:06d}'}.jpg"
