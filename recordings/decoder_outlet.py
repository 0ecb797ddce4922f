"""Where the decoding process puts messages and frames, and waits for free slots."""

from __future__ import annotations

import json
import os
import time

import numpy as np

from recordings.decoder_messages import DecodeRequest, VideoHeader
from recordings.frame_ring import FrameRing

BEAT_S = 0.5


class Outlet:
    """JSON lines on stdout, pixels in the ring, one byte on stdin for each slot that is free again."""

    def __init__(self, request: DecodeRequest) -> None:
        self._request = request
        self._messages = os.dup(1)
        os.dup2(2, 1)  # whatever a native library prints must not end up among the messages
        self._free = 0
        self._sent = 0
        self._ring: FrameRing | None = None
        self._said_at = time.monotonic()

    def header(self, header: VideoHeader) -> None:
        """Announces the size and makes room for frames of it."""
        self._free = FrameRing.fitting_slots(self._request.slots, header.height, header.width)
        self._ring = FrameRing(self._request.ring, self._free, header.height, header.width, create=True)
        self._write({"header": {**vars(header), "slots": self._free}})

    def frame(self, index: int, timestamp_s: float, image: np.ndarray, repaired: int) -> None:
        """Hands over u8 [H,W,3]; waits while the ring is full."""
        while not self._free:
            freed = len(os.read(0, 64))
            if not freed:
                raise BrokenPipeError("the consumer is gone")
            self._free += freed
        slots = self._ring.slots
        slots[self._sent % len(slots)] = image
        self._free -= 1
        self._sent += 1
        self._write({"frame": [index, timestamp_s, repaired]})

    def skip(self, index: int, timestamp_s: float, reason: str, repaired: int) -> None:
        """Tells that there is no usable frame at this place."""
        self._write({"skip": [index, timestamp_s, repaired, reason]})

    def beat(self) -> None:
        """Says that work goes on although no frame is due: skipping to a start takes time."""
        if time.monotonic() - self._said_at > BEAT_S:
            self._write({"beat": 0})

    def end(self, damaged: str | None) -> None:
        """Nothing more will come; `damaged` says what was wrong on the way."""
        self._write({"end": damaged})

    def fail(self, reason: str) -> None:
        """Nothing will come at all."""
        self._write({"fail": reason})

    def _write(self, message: dict) -> None:
        self._said_at = time.monotonic()
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(self._messages, data) :]
