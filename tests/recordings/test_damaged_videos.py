from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest

from recordings import RecordingSettings, open_recording
from streammtl.errors import RecordingError
from streammtl.views import Frame, SkippedFrame

GROUPS = {"g": "10", "bf": "2", "b_strategy": "0"}


def test_a_missing_file_is_named_with_the_nearest_other_one(tmp_path, write_video):
    write_video(tmp_path / "kitchen.mp4", 3)
    with pytest.raises(RecordingError, match=r"kichen\.mp4 does not exist.*Did you mean .*kitchen\.mp4"):
        open_recording(tmp_path / "kichen.mp4")


def test_an_empty_file_is_an_error(tmp_path):
    (tmp_path / "v.mp4").touch()
    with pytest.raises(RecordingError, match="is empty"):
        open_recording(tmp_path / "v.mp4")


def test_a_text_file_named_mp4_is_an_error(tmp_path):
    (tmp_path / "v.mp4").write_text("this is no video\n" * 100)
    with pytest.raises(RecordingError, match=r"v\.mp4 cannot be read.*It is no video"):
        open_recording(tmp_path / "v.mp4")


def test_a_video_whose_index_was_never_written_is_an_error(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", 60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RecordingError, match=r"cannot be read: its index .*moov.* is missing"):
        open_recording(path)


def test_a_sound_file_is_an_error(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=800)
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(RecordingError, match="no video stream"):
        open_recording(path)


def test_a_video_cut_in_the_middle_keeps_what_is_there_and_says_so(tmp_path, write_video, number):
    path = write_video(tmp_path / "v.mp4", 60, options=GROUPS, container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with open_recording(path) as recording:
        items = list(recording.frames())
    frames = [item for item in items if isinstance(item, Frame)]
    assert 10 < len(frames) < 50
    assert [f.index for f in frames] == [number(f.image) for f in frames]
    assert "60" in recording.damaged and "kept" in recording.damaged


def test_damaged_packets_become_skipped_frames_and_reading_goes_on(tmp_path, write_video, number):
    path = write_video(tmp_path / "v.mp4", 60, options=GROUPS)
    overwrite_packets(path, {20, 21, 35})
    with open_recording(path) as recording:
        items = list(recording.frames())
        tail = list(recording.frames(start=43))
    skipped = [item for item in items if isinstance(item, SkippedFrame)]
    frames = [item for item in items if isinstance(item, Frame)]
    assert [item.index for item in items] == list(range(60))
    assert 3 <= len(skipped) <= 25 and all("damaged" in item.reason for item in skipped)
    assert all(number(f.image) == f.index for f in frames)  # no frame shows what the decoder made up
    assert {*range(15), *range(40, 60)} <= {f.index for f in frames}
    assert [(f.index, number(f.image)) for f in tail] == [(k, k) for k in range(43, 60)]


def test_after_damage_far_from_a_keyframe_frames_go_on(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", 100, options={"g": "250"})
    overwrite_packets(path, {20})
    with open_recording(path) as recording:
        items = list(recording.frames())
    assert [item.index for item in items] == list(range(100))
    assert 1 <= sum(isinstance(item, SkippedFrame) for item in items) <= 5


def overwrite_packets(path: Path, numbers: set[int]) -> None:
    """Fills packets, counted in stored order, with zeros."""
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for n in numbers:
        position, size = places[n]
        data[position : position + size] = bytes(size)
    path.write_bytes(data)


@pytest.mark.parametrize("share", [0.03, 0.1, 0.4])
def test_random_damage_never_takes_the_reader_along(tmp_path, write_video, share):
    import random

    path = write_video(tmp_path / "v.mp4", 60, options=GROUPS, container_options={"movflags": "faststart"})
    data = bytearray(path.read_bytes())
    generator = random.Random(7)
    begin = data.index(b"mdat")
    for _ in range(int(share * (len(data) - begin) / 8)):
        data[generator.randrange(begin + 4, len(data))] = generator.randrange(256)
    path.write_bytes(data)
    try:
        with open_recording(path) as recording:
            indices = [item.index for item in recording.frames()]
    except RecordingError:
        return  # nothing at all came out
    assert indices == sorted(set(indices)) and len(indices) <= 60


def test_a_killed_decoder_ends_the_recording_with_what_was_decoded(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", 200)
    with open_recording(path, settings=RecordingSettings(ring_slots=4)) as recording:
        frames = []
        for frame in recording.frames():
            frames.append(frame)
            if frame.index == 50:
                os.kill(recording.decoder_pid, signal.SIGKILL)
        assert 51 <= len(frames) <= 60
        assert [f.index for f in frames] == list(range(len(frames)))
        assert "SIGKILL" in recording.damaged
        assert len(list(recording.frames())) == 200  # the next reading starts a new decoder


def test_a_decoder_that_crashes_before_the_first_frame_is_an_error(tmp_path, write_video, monkeypatch):
    path = write_video(tmp_path / "v.mp4", 5)
    start = subprocess.Popen

    def start_and_crash(*arguments, **options):
        process = start(*arguments, **options)
        process.send_signal(signal.SIGSEGV)
        return process

    monkeypatch.setattr(subprocess, "Popen", start_and_crash)
    with pytest.raises(RecordingError, match="SIGSEGV"):
        open_recording(path)


def test_a_decoder_that_hangs_ends_the_recording_with_what_was_decoded(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", 200)
    settings = RecordingSettings(hang_timeout_s=1.0, ring_slots=4)
    with open_recording(path, settings=settings) as recording:
        frames = []
        for frame in recording.frames():
            frames.append(frame)
            if frame.index == 20:
                os.kill(recording.decoder_pid, signal.SIGSTOP)
    assert 21 <= len(frames) <= 30
    assert "hung" in recording.damaged


def test_a_consumer_that_pauses_is_not_taken_for_a_hanging_decoder(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", 40)
    with open_recording(path, settings=RecordingSettings(hang_timeout_s=1.0, ring_slots=2)) as recording:
        count = 0
        for frame in recording.frames():
            count += 1
            if frame.index == 10:
                time.sleep(1.5)
    assert count == 40 and recording.damaged is None


def test_the_decoder_ends_with_a_consumer_that_was_killed(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", 200)
    script = (
        "import sys; from recordings import open_recording\n"
        "recording = open_recording(sys.argv[1]); frames = recording.frames(); next(frames)\n"
        "assert 'torch' not in sys.modules\n"
        "print(recording.decoder_pid, flush=True); sys.stdin.read()\n"
    )
    root = Path(__file__).resolve().parents[2]
    consumer = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root
    )
    try:
        decoder = int(consumer.stdout.readline())
        assert is_running(decoder)
    finally:
        consumer.kill()
        consumer.communicate()
    deadline = time.monotonic() + 30
    while is_running(decoder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(decoder)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_closing_ends_the_decoder(tmp_path, write_video):
    recording = open_recording(write_video(tmp_path / "v.mp4", 200))
    frames = recording.frames()
    next(frames)
    pid = recording.decoder_pid
    recording.close()
    assert not is_running(pid)
    recording.close()
