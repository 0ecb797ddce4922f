"""The camera of a recording that came without calibration, estimated before tracking starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mapping.slam.calibration_images import choose_calibration_images
from mapping.slam.colmap_calibration import SolvedCamera, solve_cameras
from streammtl.camera import Camera
from streammtl.errors import CameraError

MIN_IMAGES = 8
ENOUGH_IMAGES = 0.6  # share of the chosen images; with fewer, another choice is tried too
MIN_ANGLE_DEG = 2.0  # below, distance and focal length can be exchanged for each other
MAX_ERROR_PX = 1.5  # median; correct matches lie well below a pixel
MAX_FOCAL_SIGMA = 0.03  # of the focal length
FOCAL_RANGE = (0.35, 4.0)  # times the longer side: fields of view of 110 to 14 degrees
MAX_RADIAL = 0.4
MAX_RADIAL_FOCAL_SIGMA = 0.012  # of the focal length, with a radial term
NOTHING_FITS = "no two views fit together (too little texture, or the camera only turned on the spot)"
REMEDY = "Give the calibration with --intrinsics fx,fy,cx,cy (or a file)"


@dataclass(frozen=True)
class CalibrationEstimate:
    """An estimated camera and how far to trust it."""

    camera: Camera  # SIMPLE_PINHOLE, or SIMPLE_RADIAL where the lens shows distortion; pixel centres at integers
    focal_sigma_px: float | None  # standard deviation, without what the model leaves out
    registered: int  # images it rests on
    message: str  # for people

    @property
    def focal_interval_px(self) -> tuple[float, float] | None:
        """95 % of the focal length, if the lens is as the model says."""
        if self.focal_sigma_px is None:
            return None
        half = 1.96 * self.focal_sigma_px
        return (self.camera.fx - half, self.camera.fx + half)


def estimate_camera(images: Iterable[np.ndarray], seed: int = 0, focal_px: float | None = None) -> CalibrationEstimate:
    """Focal length and radial distortion from images u8 [H,W,3] RGB of a recording's beginning, in order of time.

    Give it the first 10 to 20 seconds; it chooses some two dozen images with motion in between, and solves structure
    from motion with one focal length, the principal point in the middle of the image. `focal_px`, where the camera
    wrote it beside its pictures, is tried first.
    Raises: CameraError when the images do not tell: too few fit together, the camera hardly moved or only turned.
    """
    estimates, reason = [], ""
    for chosen in choose_calibration_images(images):
        if len(chosen) < MIN_IMAGES:
            reason = reason or f"only {len(chosen)} of the images differ by enough motion, {MIN_IMAGES} are needed"
            continue
        solved = solve_cameras(chosen, seed, focal_px)
        accepted = [candidate for candidate in solved if not _problem(candidate, len(chosen))]
        if accepted:
            estimates.append(_estimate(accepted[-1], len(chosen)))  # with the radial term where that is accepted
            if accepted[-1].registered > ENOUGH_IMAGES * len(chosen):
                break
        else:
            reason = reason or (_problem(solved[0], len(chosen)) if solved else NOTHING_FITS)
    if estimates:
        return max(estimates, key=lambda estimate: estimate.registered)
    raise CameraError(
        f"the calibration is unknown and cannot be estimated from the images: {reason}. {REMEDY}, or record again "
        f"beginning with a few seconds of sideways motion in front of a textured scene."
    )


def _problem(solved: SolvedCamera, images: int) -> str:
    """Why a solution is not to be trusted; empty when it is."""
    focal_px, sigma_px = solved.camera.fx, solved.focal_sigma_px
    focal = focal_px / max(solved.camera.width, solved.camera.height)
    if solved.registered < MIN_IMAGES:
        return f"only {solved.registered} of {images} images fit together, {MIN_IMAGES} are needed"
    if solved.angle_deg < MIN_ANGLE_DEG:
        return (
            f"points are seen under angles of {solved.angle_deg:.1f} degrees only, {MIN_ANGLE_DEG:g} are needed: the "
            f"camera turned or hardly moved"
        )
    if solved.error_px > MAX_ERROR_PX:
        return f"the best fit is off by {solved.error_px:.1f} pixels"
    if not FOCAL_RANGE[0] < focal < FOCAL_RANGE[1]:
        return f"the focal length came out as {focal_px:.0f} pixels, which no usual lens has"
    if sigma_px is None or sigma_px > MAX_FOCAL_SIGMA * focal_px:
        spread = "anything" if sigma_px is None else f"{sigma_px:.0f} pixels"
        return f"the focal length is only known as {focal_px:.0f} pixels give or take {spread}"
    if solved.camera.distortion and not _distortion_is_real(solved):
        return "the distortion cannot be told from the focal length"
    return ""


def _estimate(chosen: SolvedCamera, images: int) -> CalibrationEstimate:
    camera = chosen.camera
    lens = f", radial distortion {camera.distortion[0]:+.3f}" if camera.distortion else ""
    message = (
        f"estimated camera: focal length {camera.fx:.1f} +- {chosen.focal_sigma_px:.1f} pixels{lens}, principal point "
        f"in the middle, from {chosen.registered} of {images} images"
    )
    return CalibrationEstimate(camera, chosen.focal_sigma_px, chosen.registered, message)


def _distortion_is_real(radial: SolvedCamera) -> bool:
    """Whether a radial term stands out of its uncertainty, is usual for lenses and leaves the focal length sharp.

    With few different view points the two can be exchanged for each other, and both come out wrong together.
    """
    if radial.radial_sigma is None or radial.focal_sigma_px is None:
        return False
    sharp = radial.focal_sigma_px < MAX_RADIAL_FOCAL_SIGMA * radial.camera.fx
    return sharp and 3 * radial.radial_sigma < abs(radial.camera.distortion[0]) < MAX_RADIAL
