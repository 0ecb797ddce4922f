from __future__ import annotations

from math import hypot

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base

from recordings import open_recording

MAKER = "com.apple.quicktime.camera.focal_length.35mm_equivalent"


@pytest.fixture
def photos(tmp_path):
    """Writes one 120 x 90 photo for each set of EXIF tags."""

    def write(*tags: dict) -> str:
        for k, values in enumerate(tags):
            photo = Image.fromarray(np.full((90, 120, 3), 40 * k + 20, np.uint8))
            exif = photo.getexif()
            exif.get_ifd(IFD.Exif).update({tag.value: value for tag, value in values.items()})
            photo.save(tmp_path / f"{k}.jpg", exif=exif)
        return str(tmp_path)

    return write


def test_the_equivalent_focal_length_goes_by_the_diagonal(photos):
    with open_recording(photos({Base.FocalLengthIn35mmFilm: 26}, {Base.FocalLengthIn35mmFilm: 26})) as recording:
        hint = recording.focal_hint
    assert hint.focal_px == pytest.approx(26 / 43.267 * hypot(120, 90))
    assert hint.interval_px[0] < hint.focal_px < hint.interval_px[1] and "EXIF" in hint.source


def test_focal_length_and_sensor_resolution_do_without_the_equivalent(photos):
    tags = {
        Base.FocalLength: 35.0, Base.FocalPlaneXResolution: 5000.0, Base.FocalPlaneResolutionUnit: 3,
        Base.ExifImageWidth: 12000,
    }  # fmt: skip
    with open_recording(photos(tags)) as recording:  # 500 pixels a millimetre, shrunk a hundredfold since
        assert recording.focal_hint.focal_px == pytest.approx(35 * 500 / 100, rel=1e-3)


@pytest.mark.parametrize(
    "tags",
    [
        ({},),
        ({Base.FocalLengthIn35mmFilm: 0},),
        ({Base.FocalLengthIn35mmFilm: 26}, {}),
        ({Base.FocalLengthIn35mmFilm: 13}, {Base.FocalLengthIn35mmFilm: 26}),
        ({Base.FocalLength: 5.0, Base.FocalPlaneXResolution: 0.0},),
    ],
)
def test_missing_or_mixed_lenses_give_no_hint(photos, tags):
    with open_recording(photos(*tags)) as recording:
        assert recording.focal_hint is None


def test_a_phone_video_tells_its_lens_with_a_wide_interval(tmp_path, write_video):
    import av

    plain = write_video(tmp_path / "plain.mp4", 4)
    with open_recording(plain) as recording:
        assert recording.focal_hint is None
    phone = tmp_path / "phone.mov"
    with av.open(str(plain)) as source, av.open(str(phone), "w", options={"movflags": "use_metadata_tags"}) as copy:
        copy.metadata[MAKER] = "26"
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    with open_recording(phone) as recording:
        hint = recording.focal_hint
    assert hint.focal_px == pytest.approx(0.81 * 128, rel=0.01)  # half a field of view of 31.6 degrees
    assert hint.interval_px[1] / hint.interval_px[0] > 1.4
