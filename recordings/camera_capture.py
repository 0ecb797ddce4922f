"""Camera devices in the decoding process, through OpenCV: PyAV's wheels come without device support."""

from __future__ import annotations

import time

import cv2

from recordings.decoder_messages import DecodeRequest, VideoHeader
from recordings.decoder_outlet import Outlet
from recordings.timestamps import StrictTimestamps


def decode_capture(request: DecodeRequest, outlet: Outlet) -> None:
    """Sends the frames of a device as they come. Time stamps are times of arrival."""
    capture = cv2.VideoCapture(request.source)
    try:
        there, image = capture.read()
        if not there:
            outlet.fail("the device gives no picture; another program may be using it")
            return
        started = time.monotonic()
        size = image.shape[:2]
        fps = capture.get(cv2.CAP_PROP_FPS) or None
        outlet.header(VideoHeader(size[1], size[0], fps, None, endless=True))
        strict = StrictTimestamps(1 / (fps or 30))
        index = 0
        while there:
            timestamp_s = strict.next(time.monotonic() - started)
            if image.shape[:2] == size:
                outlet.frame(index, timestamp_s, cv2.cvtColor(image, cv2.COLOR_BGR2RGB), strict.repaired)
            there, image = capture.read()
            index += 1
        outlet.end("the device stopped giving pictures")
    finally:
        capture.release()
