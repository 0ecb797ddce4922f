import numpy as np
import pytest

from mapping.slam.lens import Lens
from streammtl.camera import Camera

CAMERAS = [
    Camera("PINHOLE", 640, 480, (500, 510, 318, 241)),
    Camera("SIMPLE_PINHOLE", 640, 480, (500, 318, 241)),
    Camera("SIMPLE_RADIAL", 640, 480, (500, 318, 241, -0.08)),
    Camera("RADIAL", 640, 480, (500, 318, 241, -0.08, 0.02)),
    Camera("OPENCV", 640, 480, (500, 510, 318, 241, -0.08, 0.02, 0.001, -0.002)),
    Camera("OPENCV_FISHEYE", 640, 480, (400, 410, 318, 241, 0.02, -0.005, 0.001, 0.0)),
]


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.model)
def test_ideal_pixels_go_back_to_where_they_came_from(camera):
    lens = Lens(camera)
    uv = np.random.default_rng(0).uniform([20, 20], [620, 460], (200, 2))
    assert np.allclose(lens.to_image(lens.to_ideal(uv)), uv, atol=0.02)
    assert np.array_equal(lens.to_ideal(uv), uv) == camera.is_pinhole


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.model)
def test_a_lens_agrees_with_colmap_about_where_a_ray_lands(camera):
    from mapping.slam.colmap_conversions import to_colmap

    lens = Lens(camera)
    rays = np.array([[0.3, -0.2, 1.0], [-0.5, 0.4, 1.0], [0.0, 0.0, 1.0]])
    expected = to_colmap(camera).img_from_cam(rays) - 0.5
    ideal, depth = lens.project(rays * 2.5, np.eye(4))
    assert np.allclose(lens.to_image(ideal), expected, atol=1e-6)
    assert np.allclose(depth, 2.5)
    assert np.allclose(lens.rays(ideal), rays)


def test_points_behind_the_camera_have_no_pixel():
    uv, depth = Lens(CAMERAS[0]).project(np.array([[0.0, 0.0, -1.0]]), np.eye(4))
    assert np.isnan(uv).all() and depth[0] == -1.0
