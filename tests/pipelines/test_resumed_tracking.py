"""What a resumed run goes on from."""

import pytest

from pipelines.settings import load_settings
from pipelines.stages import Tracking
from streammtl.camera import Camera
from streammtl.errors import PipelineError

CAMERA = Camera.pinhole(64, 48, 60.0, 60.0, 31.5, 23.5)


def test_the_state_of_another_version_is_refused_by_what_it_lacks():
    settings = load_settings(None, [])
    state = Tracking(settings, CAMERA, False).snapshot()
    Tracking(settings, CAMERA, False, state)
    del state["adjusted.counters"]
    with pytest.raises(PipelineError, match=r"another version.*'adjusted.counters'"):
        Tracking(settings, CAMERA, False, state)
