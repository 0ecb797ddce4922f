from __future__ import annotations

import http.server
import os
import signal
import threading
import time
from itertools import pairwise

import pytest

from recordings import RecordingSettings, open_recording
from recordings.live_source import LiveSource
from recordings.selection import Selection
from streammtl.errors import ConfigError, RecordingError

QUICK = RecordingSettings(hang_timeout_s=5, open_timeout_s=10, reconnect_tries=2, reconnect_wait_s=0.05)


@pytest.fixture
def serve():
    """Serves each of a list of byte strings to one connection, then refuses; gives the URL and what was asked."""
    servers = []

    def start(bodies, *, sized=False):
        answered = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if len(answered) >= len(bodies):
                    self.send_error(503)
                    return
                body = bodies[len(answered)]
                answered.append(len(body))
                self.send_response(200)
                if sized:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/stream.ts", answered

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_stream_gives_frames_with_growing_indices_and_times(tmp_path, write_video, serve, number):
    path = write_video(tmp_path / "v.ts", 60, options={"g": "10"})
    url, _ = serve([path.read_bytes()])
    with open_recording(url, settings=QUICK) as recording:
        assert (recording.kind, recording.is_live, recording.frame_count) == ("stream", True, None)
        assert (recording.width, recording.height) == (128, 96)
        frames = list(recording.frames())
    indices = [f.index for f in frames]
    assert indices == sorted(set(indices)) and indices[-1] == 59 and number(frames[-1].image) == 59
    assert all(a.timestamp_s < b.timestamp_s for a, b in pairwise(frames))
    assert len(frames) + recording.dropped == 60


def test_a_late_consumer_gets_the_newest_frame(tmp_path, write_video, serve, number):
    url, _ = serve([write_video(tmp_path / "v.ts", 60, options={"g": "10"}).read_bytes()])
    with open_recording(url, settings=QUICK) as recording:
        wait_until(lambda: recording.dropped >= 59)
        frames = list(recording.frames())
    assert [f.index for f in frames] == [59] and recording.dropped == 59


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_a_lost_stream_is_connected_again_and_given_up_in_the_end(tmp_path, write_video, serve):
    body = write_video(tmp_path / "v.ts", 30, options={"g": "10"}).read_bytes()
    url, answered = serve([body, body])
    with open_recording(url, settings=QUICK) as recording:
        frames = list(recording.frames())
    assert len(answered) == 2
    assert frames[-1].index == 59 and len(frames) + recording.dropped == 60
    assert all(a.timestamp_s < b.timestamp_s for a, b in pairwise(frames))
    assert "did not come back" in recording.damaged


def test_a_stream_that_is_not_there_is_an_error_that_names_it(serve):
    url, _ = serve([])
    with pytest.raises(RecordingError, match=r"stream http://127\.0\.0\.1.*cannot be opened"):
        open_recording(url, settings=QUICK)


def test_a_stream_from_nobody_is_given_up_after_the_patience(tmp_path):
    settings = RecordingSettings(hang_timeout_s=1, open_timeout_s=1)
    with pytest.raises(RecordingError, match=r"udp://127.0.0.1:9 cannot be opened"):
        open_recording("udp://127.0.0.1:9", settings=settings)


def test_an_absent_camera_is_an_error_that_lists_those_present():
    with pytest.raises(RecordingError, match=r"camera 97 does not exist: /dev/video97 is absent"):
        open_recording("97")


def test_a_device_is_read_until_it_stops_giving_pictures(tmp_path, write_video):
    path = write_video(tmp_path / "v.avi", 40, codec="mjpeg", pixels="yuvj420p")
    settings = RecordingSettings(reconnect_tries=0)
    with LiveSource("camera", {"source": str(path), "capture": True}, "camera", Selection(), settings) as recording:
        frames = list(recording.frames())
    assert frames[-1].index == 39 and len(frames) + recording.dropped == 40
    red = frames[-1].image[70:90, 10:30].mean(axis=(0, 1))
    assert red.argmax() == 0
    assert "did not come back" in recording.damaged


def test_max_frames_and_closing_end_a_stream_that_goes_on(tmp_path, write_video, serve):
    url, _ = serve([write_video(tmp_path / "v.ts", 30, options={"g": "10"}).read_bytes()] * 1000)
    recording = open_recording(url, max_frames=3, settings=QUICK)
    assert len(list(recording.frames())) == 3
    began = time.monotonic()
    recording.close()
    assert time.monotonic() - began < 10


def test_a_decoder_killed_while_streaming_is_replaced(tmp_path, write_video, serve):
    body = write_video(tmp_path / "v.ts", 200, options={"g": "10"}).read_bytes()
    url, answered = serve([body, body])
    with open_recording(url, settings=QUICK) as recording:
        os.kill(recording.decoder_pid, signal.SIGKILL)
        frames = list(recording.frames())
    assert len(answered) == 2 and frames[-1].index >= 199


def test_realtime_and_poses_are_for_recorded_sources(tmp_path):
    with pytest.raises(ConfigError, match="live already"):
        open_recording("rtsp://camera/1", realtime=True)


def test_a_file_played_in_real_time_keeps_its_pace_and_drops_nothing_when_read_in_time(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", 15)
    with open_recording(path, realtime=True) as recording:
        assert recording.is_live
        began = time.monotonic()
        arrivals = [(f.timestamp_s, time.monotonic() - began) for f in recording.frames()]
    first = arrivals[0][1] - arrivals[0][0]
    assert all(arrival >= first + timestamp_s - 0.005 for timestamp_s, arrival in arrivals)  # never early
    assert len(arrivals) + recording.dropped == 15


def test_a_slow_reader_of_a_file_in_real_time_gets_the_newest_and_the_rest_is_counted(tmp_path, write_video, number):
    path = write_video(tmp_path / "v.mp4", 25)
    with open_recording(path, realtime=True) as recording:
        frames = []
        for frame in recording.frames():
            frames.append(frame)
            time.sleep(0.2)
    assert len(frames) + recording.dropped == 25 and recording.dropped >= 10
    assert [f.index for f in frames] == [number(f.image) for f in frames]


def test_in_real_time_max_frames_counts_frames_given(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", 50)
    with open_recording(path, realtime=True, max_frames=3) as recording:
        assert recording.frame_count == 3
        frames = []
        for frame in recording.frames():
            frames.append(frame)
            time.sleep(0.1)
    assert len(frames) == 3


def test_errors_while_playing_reach_the_reader(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", 5)
    with open_recording(path, realtime=True) as recording:
        list(recording.frames())
        path.write_bytes(b"")
        with pytest.raises(RecordingError):
            list(recording.frames())
