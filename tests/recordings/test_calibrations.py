from __future__ import annotations

import json

import pytest

from recordings.calibration import parse_intrinsics
from streammtl.camera import Camera
from streammtl.errors import CameraError


def test_four_numbers_are_a_pinhole_camera():
    assert parse_intrinsics("500, 501.5,319.5,239.5", 640, 480) == Camera.pinhole(640, 480, 500, 501.5, 319.5, 239.5)


@pytest.mark.parametrize("text", ["500,x,319.5,239.5", "-1,500,319.5,239.5", "nan,500,319.5,239.5"])
def test_numbers_that_no_camera_has_are_an_error(text):
    with pytest.raises(CameraError, match="four usable numbers"):
        parse_intrinsics(text, 640, 480)


@pytest.mark.parametrize(
    ("model", "distortion", "params"),
    [
        ("PINHOLE", [], (500.0, 501.0, 320.0, 240.0)),
        ("OPENCV", [0.1, -0.2, 0.001, 0.002], (500.0, 501.0, 320.0, 240.0, 0.1, -0.2, 0.001, 0.002)),
        ("OPENCV_FISHEYE", [0.1, 0, 0, 0], (500.0, 501.0, 320.0, 240.0, 0.1, 0.0, 0.0, 0.0)),
    ],
)
def test_our_json_is_read_with_its_distortion(tmp_path, model, distortion, params):
    path = tmp_path / "intrinsics.json"
    data = {"width": 640, "height": 480, "fx": 500, "fy": 501, "cx": 320, "cy": 240}
    path.write_text(json.dumps(data | {"camera_model": model, "distortion": distortion}))
    assert parse_intrinsics(path, 640, 480) == Camera(model, 640, 480, params)


def test_json_of_a_model_with_one_focal_length_needs_one(tmp_path):
    path = tmp_path / "intrinsics.json"
    data = {"width": 640, "height": 480, "fx": 500, "fy": 500, "cx": 320, "cy": 240, "camera_model": "SIMPLE_RADIAL"}
    path.write_text(json.dumps(data | {"distortion": [0.05]}))
    assert parse_intrinsics(str(path), 640, 480).params == (500, 320, 240, 0.05)
    path.write_text(json.dumps(data | {"distortion": [0.05], "fy": 510}))
    with pytest.raises(CameraError, match="one focal length"):
        parse_intrinsics(path, 640, 480)


@pytest.mark.parametrize(
    "content", ["not json", "[1]", '{"width": 640}', '{"width":640,"height":480,"fx":"a","fy":1,"cx":1,"cy":1}']
)
def test_malformed_json_is_an_error_that_says_what_is_expected(tmp_path, content):
    path = tmp_path / "intrinsics.json"
    path.write_text(content)
    with pytest.raises(CameraError, match=r"malformed.*expected a JSON object"):
        parse_intrinsics(path, 640, 480)


def test_colmap_cameras_move_by_half_a_pixel(tmp_path):
    path = tmp_path / "cameras.txt"
    path.write_text("# Camera list\n1 OPENCV 640 480 500 501 320 240 0.1 -0.2 0.001 0.002\n")
    camera = parse_intrinsics(path, 640, 480)
    assert camera.params == (500, 501, 319.5, 239.5, 0.1, -0.2, 0.001, 0.002)
    path.write_text("1 SIMPLE_RADIAL 640 480 500 320 240 0.1\n")
    assert parse_intrinsics(path, 640, 480).params == (500, 319.5, 239.5, 0.1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 PINHOLE 640 480 500 500 320 240\n2 PINHOLE 640 480 500 500 320 240\n", "lists 2 cameras"),
        ("", "lists 0 cameras"),
        ("1 FOV 640 480 500 500 320 240 0.9\n", "'FOV' is not supported"),
        ("1 PINHOLE 640 480 500 500\n", "takes 4 parameters"),
        ("1 PINHOLE 640 480 a b c d\n", "no COLMAP cameras.txt"),
    ],
)
def test_other_cameras_files_are_errors(tmp_path, content, message):
    path = tmp_path / "cameras.txt"
    path.write_text(content)
    with pytest.raises(CameraError, match=message):
        parse_intrinsics(path, 640, 480)


def test_a_missing_file_is_an_error_that_lists_the_forms():
    with pytest.raises(CameraError, match=r"cannot be read.*fx,fy,cx,cy"):
        parse_intrinsics("absent.json", 640, 480)


def test_a_calibration_of_another_size_is_an_error(tmp_path):
    path = tmp_path / "cameras.txt"
    path.write_text("1 PINHOLE 640 480 500 500 320 240\n")
    with pytest.raises(CameraError, match=r"640x480, these are 320x240\. If the images were only resized, 250,250"):
        parse_intrinsics(path, 320, 240)
