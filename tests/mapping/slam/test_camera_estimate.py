from __future__ import annotations

from itertools import islice

import cv2
import numpy as np
import pytest

from mapping.slam.calibration import estimate_camera
from mapping.slam.calibration_images import choose_calibration_images
from mapping.slam.colmap_calibration import solve_cameras
from recordings import open_recording
from streammtl.errors import CameraError

WIDTH, HEIGHT = 320, 240
# Planes of a room corner: point and the two directions along which its texture runs, metres
PLANES = [
    (np.array([0.0, 0.0, 4.0]), np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])),
    (np.array([-2.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])),
    (np.array([0.0, 1.2, 0.0]), np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])),
]


@pytest.fixture(scope="module")
def textures():
    generator = np.random.default_rng(5)
    return [texture(generator) for _ in PLANES]


def texture(generator):
    """u8 [1200,1200] with structure of many sizes, 120 pixels for a metre."""
    total = np.zeros((1200, 1200), np.float32)
    for cells in (40, 100, 240):
        noise = generator.standard_normal((cells, cells)).astype(np.float32)
        total += cv2.resize(noise, (1200, 1200), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 45 * total, 0, 255).astype(np.uint8)


def render(textures, focal, centre, rotation, radial=0.0):
    """u8 [H,W,3] of the room corner for a camera at `centre` with R_world_cam, SIMPLE_RADIAL lens in the middle."""
    v, u = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    K = np.array([[focal, 0, (WIDTH - 1) / 2], [0, focal, (HEIGHT - 1) / 2], [0, 0, 1]])
    pixels = np.stack([u, v], axis=-1).reshape(-1, 1, 2)
    xy = cv2.undistortPoints(pixels, K, np.array([radial, 0, 0, 0])).reshape(-1, 2)
    rays = np.column_stack([xy, np.ones(len(xy))]) @ rotation.T
    nearest, grey = np.full(len(rays), np.inf), np.zeros(len(rays), np.uint8)
    for (point, along, across), paper in zip(PLANES, textures, strict=True):
        normal = np.cross(along, across)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = (point - centre) @ normal / (rays @ normal)
        distance = np.where(distance > 0, distance, np.inf)
        hit = distance < nearest
        place = centre + np.where(hit, distance, 1.0)[:, None] * rays - point
        across_texture = np.stack([place @ along, place @ across], axis=-1).reshape(HEIGHT, WIDTH, 2)
        at = (across_texture * 120 + 600).astype(np.float32)
        seen = cv2.remap(paper, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        grey = np.where(hit, seen.reshape(-1), grey)
        nearest = np.where(hit, distance, nearest)
    return np.repeat(grey.reshape(HEIGHT, WIDTH, 1), 3, axis=2)


def walk(textures, focal, count=10, radial=0.0, step_m=0.12):
    """Images of a sideways walk that looks around a little."""
    images = []
    for k in range(count):
        turn = cv2.Rodrigues(np.array([0.06 * np.sin(k), -0.35 + 0.02 * k, 0.05 * np.cos(k)]))[0]
        centre = np.array([-0.5 + step_m * k, 0.1 * np.sin(0.9 * k), 0.05 * k])
        images.append(render(textures, focal, centre, turn, radial))
    return images


def test_the_focal_length_of_a_known_camera_is_found(textures):
    focal = 290.0
    estimate = estimate_camera(walk(textures, focal))
    camera = estimate.camera
    assert camera.fx == pytest.approx(focal, rel=0.02)
    assert abs(camera.fx - focal) < 6 * estimate.focal_sigma_px
    assert (camera.cx, camera.cy) == ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    assert (camera.width, camera.height) == (WIDTH, HEIGHT)
    assert estimate.registered >= 9 and f"{camera.fx:.1f}" in estimate.message
    assert not camera.distortion or abs(camera.distortion[0]) < 0.02


def test_the_distortion_of_a_known_lens_is_found(textures):
    estimate = estimate_camera(walk(textures, 230.0, radial=-0.12))
    assert estimate.camera.model == "SIMPLE_RADIAL"
    assert estimate.camera.fx == pytest.approx(230, rel=0.02)
    assert estimate.camera.distortion[0] == pytest.approx(-0.12, abs=0.03)


def test_the_same_images_give_the_same_camera_to_the_bit(textures):
    images = walk(textures, 230.0, count=8)
    assert solve_cameras(images) == solve_cameras(images)


def test_a_camera_that_only_turns_is_refused(textures):
    turns = (cv2.Rodrigues(np.array([0.1 * np.sin(k), -0.5 + 0.08 * k, 0.0]))[0] for k in range(10))
    images = [render(textures, 230.0, np.zeros(3), turn) for turn in turns]
    with pytest.raises(CameraError, match=r"cannot be estimated.*--intrinsics"):
        estimate_camera(images)


def test_a_camera_that_does_not_move_is_refused(textures):
    images = [render(textures, 230.0, np.zeros(3), np.eye(3))] * 30
    with pytest.raises(CameraError, match=r"only 1 of the images differ by enough motion.*--intrinsics"):
        estimate_camera(images)


def test_images_that_show_nothing_in_common_are_refused():
    generator = np.random.default_rng(1)
    images = [generator.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(12)]
    with pytest.raises(CameraError, match=r"no two views fit together|fit together"):
        estimate_camera(images)


def test_no_images_are_refused():
    with pytest.raises(CameraError, match="only 0 of the images"):
        estimate_camera([])


def test_chosen_images_cover_the_way_and_are_few(textures):
    images = walk(textures, 230.0, count=60, step_m=0.02)
    wide, dense = choose_calibration_images(iter(images), most=8)
    positions = [next(k for k, image in enumerate(images) if image is chosen) for chosen in wide]
    assert 4 <= len(wide) <= 8 and len(dense) == 8
    assert positions == sorted(positions) and positions[0] == 0
    reached = max(k for k, image in enumerate(images) if image is dense[-1])
    assert positions[-1] > reached


def test_images_without_motion_in_between_are_not_chosen_twice(textures):
    images = [image for image in walk(textures, 230.0, count=10) for _ in range(3)]
    (chosen,) = choose_calibration_images(images)
    assert len(chosen) <= 10
    assert len({image.tobytes() for image in chosen}) == len(chosen)


def test_the_focal_length_of_the_kitchen_video_is_found(recordings_data):
    with open_recording(recordings_data("kitchen_7scenes_seq01") / "video.mp4", stride=5) as recording:
        estimate = estimate_camera(frame.image for frame in islice(recording.frames(), 120))
    assert estimate.camera.fx == pytest.approx(517, rel=0.06)


def test_the_focal_length_of_the_fox_photos_is_found(recordings_data):
    photos = recordings_data("fox_phone_sfm") / "rgb"
    with open_recording(photos, stride=2) as recording:
        estimate = estimate_camera(frame.image for frame in recording.frames())
    assert estimate.camera.fx == pytest.approx(687, rel=0.06)
    assert all(abs(k) < 0.1 for k in estimate.camera.distortion)
