from itertools import pairwise

import numpy as np
import pytest

from recordings import RecordingSettings, open_recording
from streammtl.views import Frame
from tests.recordings.camera_servers import camera

PATIENT = RecordingSettings(reconnect_tries=1, reconnect_wait_s=0.05)


@pytest.mark.parametrize(("scheme", "question"), [("rtsp", "PLAY"), ("http", "GET")])
def test_a_network_camera_gives_its_pictures_and_is_asked_again_when_it_stops(scheme, question, numbered, number):
    images = [numbered(k) for k in range(50)]
    with camera(scheme, images) as (url, asked), open_recording(url, max_frames=55, settings=PATIENT) as recording:
        assert (recording.kind, recording.is_live) == ("stream", True)
        assert (recording.width, recording.height) == (128, 96)
        received = list(recording.frames())
    assert asked.count(question) >= 2
    assert all(a.index < b.index and a.timestamp_s < b.timestamp_s for a, b in pairwise(received))
    frames = [frame for frame in received if isinstance(frame, Frame)]  # whoever joins late waits for a keyframe
    assert len(received) == 55 and len(frames) >= 20
    for frame in frames:
        shown = images[number(frame.image)].astype(int)
        assert np.abs(frame.image - shown).mean() < 8
