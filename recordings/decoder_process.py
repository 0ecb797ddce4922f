"""The consumer's side of the decoding process: starts it, watches it, takes frames out of the ring."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from recordings.decoder_messages import DecodeRequest, VideoHeader
from recordings.frame_ring import FrameRing, create_ring_file
from recordings.settings import RecordingSettings

logger = logging.getLogger(__name__)


class DecoderError(Exception):
    """The decoding process gave nothing; the message says why."""


@dataclass(frozen=True)
class Picture:
    """One message: a frame, or a place without one."""

    index: int
    timestamp_s: float
    image: np.ndarray | None  # u8 [H,W,3]
    reason: str = ""


def _tell(process: subprocess.Popen, data: bytes) -> None:
    try:
        process.stdin.write(data)
    except BrokenPipeError:
        logger.debug("the decoder has ended already; what it sent before is still read")


class DecoderProcess:
    """A running decoder. Raises: DecoderError when it cannot be had."""

    def __init__(self, settings: RecordingSettings, **request: object) -> None:
        self._settings = settings
        self._buffer = b""
        self.damaged: str | None = None
        self.ended_by_itself = False  # it said so, rather than crash or hang
        self.repaired = 0
        self._last_index: int | None = None
        self._ring_file = create_ring_file()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed in close()
        self._process = self._start(
            DecodeRequest(
                ring=self._ring_file,
                slots=settings.ring_slots,
                threads=min(settings.decoder_threads, os.cpu_count() or 1),
                open_timeout_s=settings.open_timeout_s,
                read_timeout_s=settings.hang_timeout_s,
                **request,
            )
        )
        self._output = select.poll()
        self._output.register(self._process.stdout, select.POLLIN)
        try:
            self.header = self._read_header()
        except BaseException:
            self.close()
            raise
        self._ring = FrameRing(self._ring_file, self.header.slots, self.header.height, self.header.width, create=False)

    @property
    def pid(self) -> int:
        """Process id of the decoder."""
        return self._process.pid

    def _start(self, request: DecodeRequest) -> subprocess.Popen:
        root = str(Path(__file__).resolve().parents[1])
        search = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "recordings.decoder"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._stderr, pass_fds=[self._ring_file], env={**os.environ, "PYTHONPATH": search}, bufsize=0,
            start_new_session=True,  # Ctrl-C is for the consumer, which then ends the decoder in good order
        )  # fmt: skip
        _tell(process, json.dumps(asdict(request)).encode() + b"\n")
        return process

    def _read_header(self) -> VideoHeader:
        message = self._message(self._settings.open_timeout_s + self._settings.hang_timeout_s)
        if message is None:
            raise DecoderError(self.damaged)
        if "fail" in message:
            raise DecoderError(message["fail"])
        return VideoHeader(**message["header"])

    def pictures(self) -> Iterator[Picture]:
        """What comes out, in order. Crashes and hangs end it; `damaged` then says what happened."""
        number = 0
        while (message := self._message(self._settings.hang_timeout_s)) is not None:
            if "frame" in message:
                index, timestamp_s, self.repaired = message["frame"]
                image = self._ring.slots[number % self.header.slots].copy()
                number += 1
                _tell(self._process, b".")  # the slot is free
                self._last_index = index
                yield Picture(index, timestamp_s, image)
            elif "skip" in message:
                index, timestamp_s, self.repaired, reason = message["skip"]
                self._last_index = index
                yield Picture(index, timestamp_s, None, reason)
            elif "end" in message:
                self.damaged = message["end"]
                self.ended_by_itself = True
                return

    def _message(self, patience_s: float) -> dict | None:
        """The next message, or None when the decoder died or was silent for too long."""
        deadline = time.monotonic() + patience_s
        while b"\n" not in self._buffer:
            if not self._output.poll(max(0.0, deadline - time.monotonic()) * 1000):
                self._gave_up(f"the decoder hung: nothing came for {patience_s:g} s")
                return None
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                self._gave_up(self._death())
                return None
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return json.loads(line)

    def _gave_up(self, what: str) -> None:
        after = "" if self._last_index is None else f", after frame {self._last_index}"
        self.damaged = what + after
        self._process.kill()

    def _death(self) -> str:
        code = self._process.wait()
        if code < 0:
            return f"the decoder crashed ({signal.Signals(-code).name})"
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        return f"the decoder failed ({lines[-1] if lines else f'exit code {code}'})"

    def interrupt(self) -> None:
        """Kills the decoder, so that another thread that waits for its pictures comes back."""
        self._process.kill()

    def close(self) -> None:
        """Ends the process; harmless when called twice."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._stderr):
            stream.close()
        if self._ring_file >= 0:
            os.close(self._ring_file)
            self._ring_file = -1
