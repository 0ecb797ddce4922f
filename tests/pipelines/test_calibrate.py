"""The camera of a recording without calibration: what images and metadata say together."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.calibrate import calibrate
from recordings import Recording
from recordings.focal_hint import FocalHint
from streammtl.errors import CameraError
from streammtl.views import Frame


class Still(Recording):
    """A camera that stands still before noise: nothing to calibrate from."""

    def __init__(self, hint):
        super().__init__("still")
        self.width, self.height, self.frame_count = 64, 48, 5
        self.focal_hint = hint

    def frames(self, start=0):
        image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        for k in range(start, 5):
            yield Frame(k, k / 30, image)


def test_metadata_stand_in_where_images_do_not_tell_with_their_wide_interval():
    hint = FocalHint(50.0, (46.0, 54.0), "EXIF data of the photos")
    found = calibrate(Still(hint))
    assert found.camera.fx == 50.0 and found.focal_interval_px == (46.0, 54.0)
    assert (found.camera.cx, found.camera.cy) == (31.5, 23.5) and found.how == "from the EXIF data of the photos"


def test_without_either_the_run_is_refused():
    with pytest.raises(CameraError, match=r"cannot be estimated.*--intrinsics"):
        calibrate(Still(None))
