"""Cameras and network streams: newest frame first, reconnected when they are lost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from recordings.decoder_process import DecoderError, DecoderProcess
from recordings.newest_item import NewestItem
from recordings.recording import Recording
from recordings.selection import Selection
from recordings.settings import RecordingSettings
from recordings.timestamps import StrictTimestamps
from streammtl.errors import RecordingError
from streammtl.views import Frame, SkippedFrame

logger = logging.getLogger(__name__)

LONGEST_WAIT_S = 10.0


class LiveSource(Recording):
    """A camera device or a stream, received by a thread so that no picture grows old in a queue.

    The index counts received frames; a consumer that is late misses some, which `dropped` counts. A lost connection is
    opened again with growing waits; when that fails for good the recording ends and `damaged` says so.
    Raises: RecordingError when the source cannot be opened at all.
    """

    def __init__(self, name: str, request: dict, kind: str, selection: Selection, settings: RecordingSettings) -> None:
        super().__init__(name)
        self.kind = kind
        self.is_live = True
        self._request = request
        self._selection = selection
        self._settings = settings
        self._closing = threading.Event()
        self._mailbox = NewestItem(self._count_drop)
        self._decoder: DecoderProcess | None = None
        decoder = self._connect(tries=1)
        if isinstance(decoder, str):
            raise RecordingError(
                f"{kind} {name} cannot be opened: {decoder}. Check that it is switched on, reachable from this machine "
                f"and not used by another program."
            )
        self.width, self.height, self.fps = decoder.header.width, decoder.header.height, decoder.header.fps
        self._receiver = threading.Thread(target=self._receive, args=(decoder,), daemon=True)
        self._receiver.start()

    @property
    def decoder_pid(self) -> int | None:
        """Process id of the newest decoder."""
        return None if self._decoder is None else self._decoder.pid

    def frames(self, start: int = 0) -> Iterator[Frame | SkippedFrame]:
        given = 0
        for item in self._mailbox.items():
            if item.index < start:
                continue
            yield item
            given += 1
            if given == self._selection.max_frames:
                return

    def close(self) -> None:
        self._closing.set()
        if self._decoder is not None:
            self._decoder.interrupt()
        self._receiver.join(timeout=2.0)

    def _count_drop(self) -> None:
        self.health.dropped += 1

    def _connect(self, tries: int, wait_s: float = 0.0) -> DecoderProcess | str:
        """A connection, or the reason why there is none after all tries. The wait before each doubles."""
        reason = "no attempt was made"
        for attempt in range(tries):
            if self._closing.wait(wait_s):
                return "it was closed"
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            try:
                self._decoder = DecoderProcess(self._settings, live=True, **self._request)
                return self._decoder
            except DecoderError as error:
                reason = str(error)
                logger.warning("%s: attempt %d failed: %s", self.name, attempt + 1, reason)
        return reason

    def _receive(self, decoder: DecoderProcess) -> None:
        received = 0
        started = time.monotonic()
        strict = StrictTimestamps(1 / (self.fps or self._settings.nominal_fps))
        while True:
            offset_s = time.monotonic() - started if received else 0.0
            for picture in decoder.pictures():
                if self._closing.is_set():
                    break
                timestamp_s = strict.next(offset_s + picture.timestamp_s)
                if received % self._selection.stride == 0:
                    self._offer(received, timestamp_s, picture.image, picture.reason)
                received += 1
            self.health.repaired_timestamps = strict.repaired
            decoder.close()
            finished = decoder.ended_by_itself and not decoder.header.endless
            if self._closing.is_set() or finished:
                break
            logger.warning(
                "%s was lost after frame %d (%s); connecting again", self.name, received - 1, decoder.damaged
            )
            again = self._connect(self._settings.reconnect_tries, self._settings.reconnect_wait_s)
            if isinstance(again, str):
                self.health.damaged = f"{self.name} was lost after frame {received - 1} and did not come back: {again}"
                logger.warning(self.health.damaged)
                break
            decoder = again
        self._mailbox.end()

    def _offer(self, index: int, timestamp_s: float, image: np.ndarray | None, reason: str) -> None:
        if image is None:
            self._mailbox.put(SkippedFrame(index, timestamp_s, reason))
        elif image.shape[:2] != (self.height, self.width):
            reason = f"the stream now gives {image.shape[1]}x{image.shape[0]} instead of {self.width}x{self.height}"
            self._mailbox.put(SkippedFrame(index, timestamp_s, reason))
        else:
            self._mailbox.put(Frame(index, timestamp_s, image))


def open_stream(url: str, selection: Selection, settings: RecordingSettings) -> LiveSource:
    """A network stream: rtsp://, http(s)://, udp://, rtmp://, srt:// and whatever else FFmpeg speaks."""
    options = {"fflags": "nobuffer", "rtsp_transport": "tcp"} if url.startswith("rtsp") else {}
    return LiveSource(url, {"source": url, "options": options}, "stream", selection, settings)


def open_camera(number: int, selection: Selection, settings: RecordingSettings) -> LiveSource:
    """The camera /dev/videoN. Raises: RecordingError when there is none."""
    device = Path(f"/dev/video{number}")
    if not device.exists():
        present = ", ".join(sorted(path.name for path in Path("/dev").glob("video*"))) or "none"
        raise RecordingError(
            f"camera {number} does not exist: {device} is absent (devices present: {present}). Plug it in, or give the "
            f"number of another one; for a file whose name is a number write ./{number}."
        )
    return LiveSource(f"camera {number}", {"source": str(device), "capture": True}, "camera", selection, settings)
