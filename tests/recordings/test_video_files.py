from __future__ import annotations

import hashlib
from fractions import Fraction

import av
import numpy as np
import pytest

from recordings import RecordingSettings, open_recording
from streammtl.errors import ConfigError
from streammtl.views import Frame


def fingerprints(frames):
    return [(f.index, f.timestamp_s, hashlib.sha256(f.image.tobytes()).hexdigest()) for f in frames]


def test_every_frame_comes_once_in_order_with_its_time(tmp_path, write_video, number):
    path = write_video(tmp_path / "walk.mp4", 60)
    with open_recording(path) as recording:
        frames = list(recording.frames())
    assert (recording.kind, recording.frame_count, recording.fps) == ("video", 60, 25.0)
    assert (recording.width, recording.height, recording.is_live) == (128, 96, False)
    assert [f.index for f in frames] == list(range(60))
    assert [number(f.image) for f in frames] == list(range(60))
    np.testing.assert_allclose([f.timestamp_s for f in frames], 0.04 * np.arange(60), atol=1e-6)
    assert recording.damaged is None and recording.repaired_timestamps == 0


def test_colours_are_rgb(tmp_path, write_video):
    with open_recording(write_video(tmp_path / "v.mp4", 3)) as recording:
        image = next(recording.frames()).image
    for channel in range(3):
        colour = image[70:90, 43 * channel + 12 : 43 * channel + 32].mean(axis=(0, 1))
        assert colour.argmax() == channel and colour[channel] > 150


B_FRAMES = {"g": "12", "bf": "3", "b_strategy": "0"}
VARYING = np.cumsum([0, *([33, 34, 100, 5, 40] * 9)]).tolist()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("even.mp4", {"count": 46, "options": B_FRAMES}),
        ("varying.mp4", {"milliseconds": VARYING, "options": B_FRAMES}),
        ("late.mp4", {"milliseconds": [5000 + 40 * k for k in range(46)], "options": B_FRAMES}),
        ("transport.ts", {"count": 46, "options": B_FRAMES}),
        ("open_gop.mp4", {"count": 46, "options": {**B_FRAMES, "x264-params": "open-gop=1"}}),
        ("pictures.avi", {"count": 46, "codec": "mjpeg", "pixels": "yuvj420p"}),
        ("hidden.webm", {"count": 46, "codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "12"}}),
    ],
)
def test_reading_from_a_position_gives_the_tail_of_reading_everything(tmp_path, write_video, number, name, arguments):
    path = write_video(tmp_path / name, **arguments)
    with open_recording(path) as recording:
        everything = fingerprints(recording.frames())
        assert [index for index, _, _ in everything] == list(range(46))
        for start in (11, 30):
            assert fingerprints(recording.frames(start)) == everything[start:], start


def test_stride_and_max_frames_select_positions_whatever_the_start(tmp_path, write_video, number):
    path = write_video(tmp_path / "v.mp4", 40)
    with open_recording(path, stride=3, max_frames=7) as recording:
        assert recording.frame_count == 7
        assert [(f.index, number(f.image)) for f in recording.frames()] == [(3 * k, 3 * k) for k in range(7)]
        assert [f.index for f in recording.frames(start=10)] == [12, 15, 18]


@pytest.mark.parametrize("arguments", [{"stride": 0}, {"max_frames": 0}])
def test_a_selection_of_nothing_is_a_setting_error(tmp_path, arguments):
    with pytest.raises(ConfigError, match=r"at least 1|starts at 1"):
        open_recording(tmp_path, **arguments)


def test_variable_frame_rate_keeps_the_times_of_the_file(tmp_path, write_video):
    with open_recording(write_video(tmp_path / "v.mp4", milliseconds=VARYING)) as recording:
        times = [f.timestamp_s for f in recording.frames()]
    np.testing.assert_allclose(times, np.array(VARYING) / 1000, atol=1e-4)


def test_times_start_at_zero_whatever_the_file_starts_at(tmp_path, write_video):
    path = write_video(tmp_path / "v.mkv", milliseconds=[7000 + 40 * k for k in range(20)])
    with open_recording(path) as recording:
        times = [f.timestamp_s for f in recording.frames()]
    np.testing.assert_allclose(times, 0.04 * np.arange(20), atol=1e-6)


@pytest.mark.parametrize("rotation", [90, -90])
def test_rotation_stored_by_phones_is_applied(tmp_path, write_video, numbered, rotation):
    lying = write_video(tmp_path / "lying.mp4", 4)
    turned = write_video(tmp_path / "turned.mp4", 4, rotation=rotation)
    with open_recording(lying) as recording:
        plain = [f.image for f in recording.frames()]
    with open_recording(turned) as recording:
        upright = [f.image for f in recording.frames()]
        assert (recording.height, recording.width) == upright[0].shape[:2]
    for a, b in zip(plain, upright, strict=True):
        np.testing.assert_array_equal(np.rot90(a, rotation // 90), b)


@pytest.mark.parametrize("size", [(641, 479), (127, 33)])
def test_odd_sizes_come_out_whole(tmp_path, write_video, numbered, size):
    path = write_video(tmp_path / "odd.mkv", 4, size=size, codec="ffv1", pixels="yuv444p")
    with open_recording(path) as recording:
        frames = list(recording.frames())
    assert (recording.width, recording.height) == size
    difference = np.abs(frames[3].image.astype(int) - numbered(3, *size))
    assert difference.max() < 8  # rounding of the colour conversion only


def test_paths_may_hold_spaces_and_any_letters(tmp_path, write_video):
    path = write_video(tmp_path / "видео der Küche 100% #1.mp4", 5)
    with open_recording(str(path)) as recording:
        assert len(list(recording.frames())) == 5


def test_times_that_stand_still_or_go_back_are_repaired_and_counted(tmp_path, numbered):
    path = tmp_path / "v.mkv"
    write_unordered(path, [0, 40, 80, 80, 60, 200, 240], numbered)
    with open_recording(path) as recording:
        frames = list(recording.frames())
    times = np.array([f.timestamp_s for f in frames])
    assert len(frames) == 7 and (np.diff(times) > 0).all()
    assert recording.repaired_timestamps == 2
    np.testing.assert_allclose(times[[0, 1, 2, 5, 6]], [0, 0.04, 0.08, 0.2, 0.24], atol=1e-6)


def write_unordered(path, milliseconds, numbered):
    """A Matroska file whose block times are patched after writing, since writers refuse such times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuvj420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for k in range(len(milliseconds)):
            frame = av.VideoFrame.from_ndarray(numbered(k), format="rgb24")
            frame.pts, frame.time_base = 40 * k, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    position = 0
    for k, time in enumerate(milliseconds):  # a block: track number 1 (0x81), 16-bit time, flags, then the JPEG
        position = data.index(b"\xff\xd8\xff", position) - 4
        assert data[position] == 0x81
        cluster = 40 * k - int.from_bytes(data[position + 1 : position + 3], "big", signed=True)
        data[position + 1 : position + 3] = (time - cluster).to_bytes(2, "big", signed=True)
        position += 6
    path.write_bytes(data)


def test_a_slow_consumer_loses_nothing_and_the_ring_stays_small(tmp_path, write_video, number):
    path = write_video(tmp_path / "v.mp4", 50)
    settings = RecordingSettings(ring_slots=2)
    with open_recording(path, settings=settings) as recording:
        kept = [f for f in recording.frames() if isinstance(f, Frame)]
    assert [number(f.image) for f in kept] == list(range(50))  # images stay as they were given


def test_two_readers_of_one_recording_do_not_disturb_each_other(tmp_path, write_video):
    with open_recording(write_video(tmp_path / "v.mp4", 20)) as recording:
        pairs = list(zip(recording.frames(), recording.frames(), strict=True))
    assert all(np.array_equal(a.image, b.image) and a.index == b.index for a, b in pairs)
    assert recording.decoder_pid is None
