from __future__ import annotations

import cv2
import numpy as np
import pytest

from recordings import open_recording
from recordings.undistort import Undistortion
from streammtl.camera import Camera

CAMERAS = [
    Camera("OPENCV", 160, 120, (130.0, 132.0, 80.0, 58.0, 0.08, -0.05, 0.002, -0.001)),
    Camera("SIMPLE_RADIAL", 160, 120, (130.0, 79.5, 59.5, -0.12)),
    Camera("RADIAL", 160, 120, (130.0, 79.5, 59.5, -0.12, 0.03)),
    Camera("OPENCV_FISHEYE", 160, 120, (110.0, 110.0, 79.5, 59.5, 0.05, -0.01, 0.0, 0.0)),
]


def project(camera: Camera, rays: np.ndarray) -> np.ndarray:
    """Pixels [N,2] of rays [N,2] (x/z, y/z) by the models' formulas, as COLMAP states them."""
    x, y = rays.T
    d = camera.distortion
    r2 = x * x + y * y
    if camera.model == "OPENCV_FISHEYE":
        r = np.sqrt(r2)
        theta = np.arctan(r)
        t2 = theta**2
        factor = np.where(
            r > 0, theta * (1 + t2 * (d[0] + t2 * (d[1] + t2 * (d[2] + t2 * d[3])))) / np.maximum(r, 1e-12), 1
        )
        u, v = x * factor, y * factor
    else:
        k1, k2, p1, p2 = (*d, 0, 0, 0)[:4] if camera.model != "OPENCV" else d
        radial = 1 + k1 * r2 + k2 * r2 * r2
        u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        v = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return np.stack([camera.fx * u + camera.cx, camera.fy * v + camera.cy], axis=1)


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.model)
def test_what_a_distorted_lens_saw_lands_where_the_pinhole_camera_sees_it(camera):
    undistortion = Undistortion(camera)
    pinhole = undistortion.pinhole
    rays = np.array([[0.0, 0.0], [0.3, 0.2], [-0.35, 0.25], [0.2, -0.3], [-0.4, -0.1]])
    for ray, seen in zip(rays, project(camera, rays), strict=True):
        image = blob(seen)
        straight = undistortion.image(image)
        expected = pinhole.K[:2, :2] @ ray + pinhole.K[:2, 2]
        np.testing.assert_allclose(centroid(straight), expected, atol=0.1)


def blob(centre: np.ndarray) -> np.ndarray:
    v, u = np.mgrid[:120, :160]
    value = 250 * np.exp(-((u - centre[0]) ** 2 + (v - centre[1]) ** 2) / (2 * 2.5**2))
    return np.repeat(value[..., None], 3, axis=2).astype(np.uint8)


def centroid(image: np.ndarray) -> np.ndarray:
    weight = image[..., 0].astype(float)
    v, u = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(u * weight).sum(), (v * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.model)
def test_depth_is_never_mixed_from_two_surfaces(camera):
    depth_m = np.ones((120, 160), np.float32)
    depth_m[:, 80:] = 3
    straight = Undistortion(camera).depth(depth_m)
    assert set(np.unique(straight)) <= {0.0, 1.0, 3.0}


def test_no_distortion_changes_nothing():
    camera = Camera("OPENCV", 160, 120, (130.0, 132.0, 80.0, 58.0, 0.0, 0.0, 0.0, 0.0))
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Undistortion(camera).image(image), image)


def test_a_distorted_recording_is_given_as_pinhole(tmp_path, write_image):
    camera = CAMERAS[0]
    image = blob(np.array([60.0, 70.0]))
    write_image(tmp_path / "a.png", image)
    with open_recording(tmp_path, camera=camera) as recording:
        frame = next(recording.frames())
    assert recording.camera == frame.camera == camera.to_pinhole()
    np.testing.assert_array_equal(frame.image, Undistortion(camera).image(image))


def test_the_fox_photos_are_straightened_to_the_same_points_as_opencv_says(recordings_data):
    with open_recording(recordings_data("fox_phone_sfm"), max_frames=1) as recording:
        frame = next(recording.frames())
    camera = frame.camera
    assert camera.is_pinhole and camera.fx == pytest.approx(687.76)
    raw = cv2.imread(str(sorted((recordings_data("fox_phone_sfm") / "rgb").iterdir())[0]))[..., ::-1]
    coefficients = np.array([0.0578421, -0.0805099, -0.000980296, 0.00015575])
    straight = cv2.undistort(raw, camera.K, coefficients)
    inner = (slice(40, -40), slice(40, -40))
    assert np.abs(straight[inner].astype(int) - frame.image[inner]).mean() < 0.5
