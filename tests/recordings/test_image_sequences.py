from __future__ import annotations

import numpy as np
import pytest

from recordings import RecordingSettings, open_recording
from streammtl.camera import Camera
from streammtl.errors import CameraError, RecordingError
from streammtl.views import Frame, SkippedFrame


@pytest.fixture
def folder(tmp_path, write_image, numbered):
    """Twelve images named frame0.png to frame11.png."""
    for k in range(12):
        write_image(tmp_path / "images" / f"frame{k}.png", numbered(k))
    return tmp_path / "images"


def test_images_come_in_natural_order_evenly_spaced(folder, number):
    with open_recording(folder) as recording:
        frames = list(recording.frames())
    assert (recording.kind, recording.frame_count, recording.fps) == ("images", 12, None)
    assert (recording.width, recording.height) == (128, 96)
    assert [f.index for f in frames] == [number(f.image) for f in frames] == list(range(12))
    np.testing.assert_allclose([f.timestamp_s for f in frames], np.arange(12) / 30)
    assert all(f.camera is None and f.depth_m is None and f.T_world_cam is None for f in frames)


def test_images_are_given_exactly_as_rgb(folder, numbered):
    with open_recording(folder) as recording:
        np.testing.assert_array_equal(next(recording.frames(5)).image, numbered(5))


def test_a_glob_pattern_chooses_images(folder, number):
    with open_recording(f"{folder}/frame1*.png") as recording:
        assert [number(f.image) for f in recording.frames()] == [1, 10, 11]


def test_selection_start_and_the_nominal_rate_apply(folder):
    settings = RecordingSettings(nominal_fps=10)
    with open_recording(folder, stride=2, max_frames=4, settings=settings) as recording:
        assert recording.frame_count == 4
        assert [(f.index, f.timestamp_s) for f in recording.frames(3)] == [(4, 0.4), (6, 0.6)]


def test_corrupt_cut_and_differently_sized_images_are_skipped_with_a_reason(folder, write_image, numbered):
    (folder / "frame2.png").write_bytes(b"no image at all")
    whole = (folder / "frame4.png").read_bytes()
    (folder / "frame4.png").write_bytes(whole[: len(whole) // 2])
    write_image(folder / "frame6.png", numbered(6, 64, 48))
    write_image(folder / "frame7.jpg", numbered(7))
    (folder / "frame7.png").unlink()
    whole = (folder / "frame7.jpg").read_bytes()
    (folder / "frame7.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "frame9.png").write_bytes(b"")
    with open_recording(folder) as recording:
        items = list(recording.frames())
    reasons = {item.index: item.reason for item in items if isinstance(item, SkippedFrame)}
    assert [item.index for item in items] == list(range(12))
    assert reasons.keys() == {2, 4, 6, 7, 9}
    assert "no image" in reasons[2] and "cut off" in reasons[4] and "cut off" in reasons[7] and "empty" in reasons[9]
    assert "64x48" in reasons[6] and "128x96" in reasons[6]


def test_a_photo_with_a_preview_inside_is_whole_and_its_first_part_is_not(tmp_path, write_image, numbered):
    preview = write_image(tmp_path / "preview.jpg", numbered(1, 64, 48)).read_bytes()
    photo = write_image(tmp_path / "photo.jpg", numbered(2)).read_bytes()
    with_preview = photo[:2] + b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview + photo[2:]
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "0.jpg").write_bytes(with_preview + b"trailing data of the camera \xff\xda")
    (tmp_path / "images" / "1.jpg").write_bytes(with_preview[: len(with_preview) - 40])
    with open_recording(tmp_path / "images") as recording:
        kinds = [type(item) for item in recording.frames()]
    assert kinds == [Frame, SkippedFrame]


def test_the_first_readable_image_sets_the_size(folder, write_image, numbered):
    (folder / "frame0.png").write_bytes(b"")
    with open_recording(folder) as recording:
        assert (recording.width, recording.height) == (128, 96)


def test_a_folder_of_unreadable_images_is_an_error(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "b.jpg").write_bytes(b"x")
    with pytest.raises(RecordingError, match=r"none of the 2 images"):
        open_recording(tmp_path)


def test_an_empty_folder_and_one_without_images_are_errors_that_list_what_is_known(tmp_path):
    with pytest.raises(RecordingError, match=r"it is empty.*Known are: a video file"):
        open_recording(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(RecordingError, match=r"holds notes.txt"):
        open_recording(tmp_path)


def test_a_pattern_without_a_match_and_a_single_image_are_errors(folder):
    with pytest.raises(RecordingError, match="no image matches"):
        open_recording(f"{folder}/*.bmp")
    with pytest.raises(RecordingError, match="single image"):
        open_recording(folder / "frame0.png")


def test_a_calibration_of_another_size_is_an_error_that_gives_the_rescaled_values(folder):
    camera = Camera.pinhole(256, 192, 200, 200, 127.5, 95.5)
    with pytest.raises(CameraError, match=r"256x192.*128x96.*100,100,63.5,47.5"):
        open_recording(folder, camera=camera)
    with pytest.raises(CameraError, match="Use the calibration of this recording"):
        open_recording(folder, camera=Camera.pinhole(96, 128, 100, 100, 47.5, 63.5))


def test_a_given_camera_arrives_at_the_frames(folder):
    camera = Camera("SIMPLE_PINHOLE", 128, 96, (100.0, 63.5, 47.5))
    with open_recording(folder, camera=camera) as recording:
        frame = next(recording.frames())
    assert recording.camera == frame.camera == camera.to_pinhole()
    with open_recording(folder, camera="100,100,63.5,47.5") as recording:
        assert recording.camera == camera.to_pinhole()


def test_images_with_any_letters_in_their_path_are_read(tmp_path, write_image, numbered):
    write_image(tmp_path / "Küche 1 [raw]" / "снимок 1.jpg", numbered(1))
    with open_recording(tmp_path / "Küche 1 [raw]") as recording:
        assert len(list(recording.frames())) == 1
