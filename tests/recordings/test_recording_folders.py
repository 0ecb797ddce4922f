from __future__ import annotations

import json

import numpy as np
import pytest

from recordings import open_recording
from streammtl.errors import CameraError, RecordingError
from streammtl.views import Frame

COUNT = 10


@pytest.fixture
def folder(tmp_path, write_image, numbered):
    """Ten frames at 10 frames/s with depth, poses (x = frame number) and calibration."""
    root = tmp_path / "room"
    for k in range(COUNT):
        write_image(root / "rgb" / f"{k:06d}.png", numbered(k))
        write_image(root / "depth" / f"{k:06d}.png", np.full((96, 128), 1000 + k, np.uint16))
    (root / "poses.txt").write_text(
        "# t tx ty tz q\n" + "".join(f"{0.1 * k:.4f} {k} 0 0 0 0 0 1\n" for k in range(COUNT))
    )
    (root / "frames.csv").write_text("index,timestamp\n" + "".join(f"{k},{0.1 * k:.4f}\n" for k in range(COUNT)))
    write_intrinsics(root)
    return root


def write_intrinsics(root, **changes):
    intrinsics = {"width": 128, "height": 96, "fx": 100, "fy": 101, "cx": 63, "cy": 47, "depth_scale": 1000.0}
    (root / "intrinsics.json").write_text(json.dumps(intrinsics | changes))


def test_images_depth_poses_times_and_camera_come_together(folder, number):
    with open_recording(folder) as recording:
        frames = list(recording.frames())
    assert (recording.kind, recording.name, recording.frame_count) == ("recording", "room", COUNT)
    assert recording.fps == pytest.approx(10)
    assert recording.has_depth and recording.has_poses
    assert recording.camera.K.tolist() == [[100, 0, 63], [0, 101, 47], [0, 0, 1]]
    for k, frame in enumerate(frames):
        assert frame.index == number(frame.image) == k
        assert frame.timestamp_s == pytest.approx(0.1 * k)
        assert frame.camera == recording.camera
        np.testing.assert_allclose(frame.depth_m, 1 + k / 1000, atol=1e-6)
        np.testing.assert_array_equal(frame.T_world_cam[:3, 3], [k, 0, 0])


def test_depth_units_come_from_the_calibration_and_invalid_depth_is_zero(folder, write_image):
    write_intrinsics(folder, depth_scale=5000)
    raw = np.full((96, 128), 5000, np.uint16)
    raw[0, 0], raw[0, 1] = 0, 65535
    write_image(folder / "depth" / "000000.png", raw)
    with open_recording(folder) as recording:
        depth_m = next(recording.frames()).depth_m
    assert depth_m.dtype == np.float32
    assert depth_m[0, 0] == depth_m[0, 1] == 0 and (depth_m[1:] == 1).all()


def test_a_frame_whose_depth_image_is_missing_or_damaged_has_no_depth(folder, write_image):
    (folder / "depth" / "000003.png").unlink()
    (folder / "depth" / "000004.png").write_bytes(b"")
    write_image(folder / "depth" / "000005.png", np.zeros((48, 64), np.uint16))
    write_image(folder / "depth" / "000006.png", np.zeros((96, 128, 3), np.uint8))
    with open_recording(folder) as recording:
        without = [f.index for f in recording.frames() if f.depth_m is None]
    assert recording.has_depth and without == [3, 4, 5, 6]


def test_a_few_depth_images_are_ground_truth_and_no_sensor(folder):
    for k in range(2, COUNT):
        (folder / "depth" / f"{k:06d}.png").unlink()
    with open_recording(folder) as recording:
        assert not recording.has_depth
        assert all(f.depth_m is None for f in recording.frames())


def test_depth_of_another_size_is_an_error(folder, write_image):
    for k in range(COUNT):
        write_image(folder / "depth" / f"{k:06d}.png", np.ones((48, 64), np.uint16))
    with pytest.raises(RecordingError, match=r"64x48.*128x96.*registered"):
        open_recording(folder)


def test_a_frame_without_a_pose_nearby_has_none(folder):
    lines = (folder / "poses.txt").read_text().splitlines()
    (folder / "poses.txt").write_text("\n".join(line for line in lines if not line.startswith("0.4")))
    with open_recording(folder) as recording:
        assert [f.index for f in recording.frames() if f.T_world_cam is None] == [4]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0.5 nan 0 0 0 0 0 1", "line 7 holds NaN"),
        ("0.5 0 0 0 0 0 0 2", r"line 7: the quaternion has length 2\.0000"),
        ("0.5 0 0 0 0 0 0", "line 7 has 7 columns"),
        ("0.5 0 0 zero 0 0 0 1", "line 7 holds something that is no number"),
        ("0.1 0 0 0 0 0 0 1", "twice"),
    ],
)
def test_a_wrong_line_in_the_poses_is_an_error_that_names_it(folder, line, message):
    lines = (folder / "poses.txt").read_text().splitlines()
    (folder / "poses.txt").write_text("\n".join([*lines[:6], line, *lines[7:]]))
    with pytest.raises(RecordingError, match=message):
        open_recording(folder)


def test_poses_on_another_clock_are_an_error(folder):
    (folder / "poses.txt").write_text("1305031102.1 0 0 0 0 0 0 1\n")
    with pytest.raises(RecordingError, match=r"no pose .* lies within .*clock"):
        open_recording(folder)


def test_without_times_frames_are_spaced_by_the_nominal_rate(folder):
    (folder / "frames.csv").write_text("index,timestamp\n" + "".join(f"{k},\n" for k in range(COUNT)))
    (folder / "poses.txt").unlink()
    with open_recording(folder) as recording:
        times = [f.timestamp_s for f in recording.frames()]
    np.testing.assert_allclose(times, np.arange(COUNT) / 30)
    assert recording.fps is None and not recording.has_poses


def test_times_for_only_some_images_are_an_error(folder):
    (folder / "frames.csv").write_text("index,timestamp\n0,0.0\n")
    with pytest.raises(RecordingError, match=r"frames\.csv has no time stamp for some images"):
        open_recording(folder)


def test_a_calibration_of_another_size_is_an_error(folder):
    write_intrinsics(folder, width=640, height=480)
    with pytest.raises(CameraError, match=r"640x480.*128x96"):
        open_recording(folder)


def test_a_video_takes_the_place_of_the_images(folder, write_video, number):
    for path in (folder / "rgb").iterdir():
        path.unlink()
    (folder / "rgb").rmdir()
    (folder / "frames.csv").unlink()
    write_video(folder / "video.mp4", milliseconds=[100 * k for k in range(COUNT)])
    with open_recording(folder, stride=3) as recording:
        frames = list(recording.frames())
    assert (recording.kind, recording.name, recording.frame_count) == ("recording", "room", 4)
    assert recording.has_depth and recording.has_poses
    for frame in frames:
        assert number(frame.image) == frame.index
        np.testing.assert_allclose(frame.depth_m, 1 + frame.index / 1000, atol=1e-6)
        np.testing.assert_array_equal(frame.T_world_cam[:3, 3], [frame.index, 0, 0])
        assert frame.camera == recording.camera


def test_a_folder_with_neither_images_nor_video_is_an_error(tmp_path):
    (tmp_path / "rgb").mkdir()
    with pytest.raises(RecordingError, match=r"neither images in rgb/ nor a video\.mp4"):
        open_recording(tmp_path)


def test_the_kitchen_gives_every_frame_with_depth_and_pose(recordings_data):
    with open_recording(recordings_data("kitchen_7scenes_seq01"), stride=40) as recording:
        frames = list(recording.frames())
    assert recording.frame_count == len(frames) == 10 and recording.fps == pytest.approx(15, abs=0.01)
    assert all(isinstance(f, Frame) and f.depth_m is not None and f.T_world_cam is not None for f in frames)
    assert all(0.6 < (f.depth_m > 0).mean() < 0.9 for f in frames)


def test_given_poses_are_taken_by_nearest_time_within_half_an_interval(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", 20)
    poses = tmp_path / "poses.tum"
    poses.write_text("".join(f"{0.08 * k + 0.01:.4f} {k} 0 0 0 0 0 1\n" for k in range(5)))
    with open_recording(path, poses=poses) as recording:
        assert recording.has_poses
        x = [None if f.T_world_cam is None else f.T_world_cam[0, 3] for f in recording.frames()]
    assert x[:10] == [0, None, 1, None, 2, None, 3, None, 4, None] and set(x[10:]) == {None}


def test_given_poses_replace_those_of_the_recording(folder, tmp_path):
    (tmp_path / "p.tum").write_text("0.2 7 7 7 0 0 0 1\n")
    with open_recording(folder, poses=tmp_path / "p.tum") as recording:
        given = {f.index: f.T_world_cam for f in recording.frames()}
    assert [index for index, T in given.items() if T is not None] == [2] and given[2][0, 3] == 7


def test_given_poses_on_another_clock_or_missing_are_errors(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", 5)
    (tmp_path / "p.tum").write_text("1305031102.1 0 0 0 0 0 0 1\n")
    with pytest.raises(RecordingError, match=r"covers 1305031102.*runs from 0"):
        open_recording(path, poses=tmp_path / "p.tum")
    with pytest.raises(RecordingError, match="cannot be read"):
        open_recording(path, poses=tmp_path / "absent.tum")
