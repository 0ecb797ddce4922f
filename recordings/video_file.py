"""Video files, decoded in a process of their own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from recordings.decoder_process import DecoderError, DecoderProcess
from recordings.focal_hint import video_hint
from recordings.recording import Recording
from recordings.selection import Selection
from recordings.settings import RecordingSettings
from streammtl.errors import RecordingError
from streammtl.views import Frame, SkippedFrame

logger = logging.getLogger(__name__)


class VideoFile(Recording):
    """A video file: any container and codec that FFmpeg reads, upright, time stamps starting at 0.

    Frames that cannot be decoded are skipped frames. When the decoder crashes or hangs, or the file ends early, the
    recording ends there: what was decoded is kept and `damaged` says what happened.
    Raises: RecordingError when the file is missing, empty, or no frame comes out of it.
    """

    kind = "video"

    def __init__(self, path: Path, selection: Selection, settings: RecordingSettings) -> None:
        super().__init__(path.name)
        self.path = path
        self._selection = selection
        self._settings = settings
        self._running: list[DecoderProcess] = []
        if not path.is_file():
            raise RecordingError(f"video {path} does not exist; give the path of a video file.")
        if path.stat().st_size == 0:
            raise RecordingError(f"video {path} is empty (0 bytes); it was not copied or recorded completely.")
        self._waiting: DecoderProcess | None = self._decoder(0)
        header = self._waiting.header
        self.width, self.height, self.fps = header.width, header.height, header.fps
        self.focal_hint = video_hint(header.focal_35mm, self.width, self.height)
        self.source_frames = header.frames  # as the file announces, None when it does not
        if header.frames and header.fps:
            self.time_span_s = (0.0, header.frames / header.fps)
        self.frame_count = selection.count(header.frames)

    @property
    def decoder_pid(self) -> int | None:
        """Process id of the newest decoder, None when there is none."""
        return self._running[-1].pid if self._running else None

    def _decoder(self, start: int) -> DecoderProcess:
        try:
            decoder = DecoderProcess(
                self._settings,
                source=str(self.path),
                start=start,
                step=self._selection.stride,
                stop=self._selection.stop,
            )
        except DecoderError as error:
            raise RecordingError(f"video {self.path} cannot be read: {_explanation(self.path, error)}") from error
        self._running.append(decoder)
        return decoder

    def frames(self, start: int = 0) -> Iterator[Frame | SkippedFrame]:
        decoder, self._waiting = self._waiting, None
        if decoder is not None and start > 0:
            self._end(decoder)
            decoder = None
        decoder = decoder or self._decoder(max(start, 0))
        try:
            with closing(decoder.pictures()) as pictures:
                for picture in pictures:
                    self.health.repaired_timestamps = decoder.repaired
                    if picture.image is None:
                        yield SkippedFrame(picture.index, picture.timestamp_s, picture.reason)
                    else:
                        yield Frame(picture.index, picture.timestamp_s, picture.image)
            if decoder.damaged:
                self.health.damaged = f"{self.name}: {decoder.damaged}; everything before is kept"
                logger.warning(self.health.damaged)
        finally:
            self._end(decoder)

    def _end(self, decoder: DecoderProcess) -> None:
        decoder.close()
        if decoder in self._running:
            self._running.remove(decoder)

    def close(self) -> None:
        self._waiting = None
        for decoder in list(self._running):
            self._end(decoder)

    def __del__(self) -> None:
        if hasattr(self, "_running"):
            self.close()


def _explanation(path: Path, error: DecoderError) -> str:
    if mp4_lacks_index(path):
        return (
            "its index (the moov box, which cameras write last) is missing, so the recording was interrupted or the "
            "file was cut. Copy it again; tools like untrunc repair it with the help of a whole video of the camera."
        )
    return (
        f"{error}. It is no video, or damaged from the beginning: try to play it, repair it with "
        f"'ffmpeg -i IN -c copy OUT', or record again."
    )


def mp4_lacks_index(path: Path) -> bool:
    """Whether a file begins as MP4 or MOV does, and none of its outer boxes is the index."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        position, first = 0, True
        while position + 8 <= end:
            file.seek(position)
            size, name = int.from_bytes(file.read(4), "big"), file.read(4)
            if first and name != b"ftyp":
                return False
            if name == b"moov":
                return position + size > end
            if size == 1:  # the size follows in 64 bits
                size = int.from_bytes(file.read(8), "big")
            if size < 8:  # the box reaches to the end
                return True
            position, first = position + size, False
    return not first
