"""Files and streams in the decoding process: opens them with PyAV and sends the frames that were asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

import av
from av.container import InputContainer

from recordings.decoder_messages import DecodeRequest, VideoHeader
from recordings.decoder_outlet import Outlet
from recordings.timestamps import StrictTimestamps
from recordings.video_decoding import Decoded, VideoDecoding, upright_rgb

QUICKTIME_KEY = "com.apple.quicktime.camera.focal_length.35mm_equivalent"
MISCOUNT = 2  # containers announce this many frames too many without being damaged

logging.getLogger("libav").addHandler(logging.NullHandler())


def decode_video(request: DecodeRequest, outlet: Outlet) -> None:
    """Sends the wanted frames of a file or stream, or says why there are none."""
    timeout = (request.open_timeout_s, request.read_timeout_s) if request.live else None
    try:
        container = av.open(request.source, options=dict(request.options), timeout=timeout)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        outlet.fail(getattr(error, "strerror", None) or str(error))
        return
    with container:
        if container.streams.video:
            _decode_stream(container, request, outlet)
        else:
            outlet.fail("it holds no video stream")


def _decode_stream(container: InputContainer, request: DecodeRequest, outlet: Outlet) -> None:
    stream = container.streams.video[0]
    stream.thread_type = "SLICE" if request.live else "AUTO"  # decoding frames in parallel delays a live picture
    stream.codec_context.thread_count = request.threads
    decoding = VideoDecoding(request.source, container, stream)
    items = decoding.items()
    head = _until_first_frame(items)
    if not head or head[-1].frame is None:
        outlet.fail(decoding.broken or "no frame in it can be decoded")
        return
    height, width = upright_rgb(head[-1].frame).shape[:2]
    fps = float(stream.average_rate or stream.guessed_rate or 0) or None
    header = VideoHeader(width, height, fps, stream.frames or None, endless=container.duration is None)
    outlet.header(replace(header, focal_35mm=_focal_35mm(container)))
    known = [item.pts for item in head if item.pts is not None]
    clock = StreamClock(min(known) if known else 0, float(stream.time_base), fps)
    if request.start and decoding.seek(request.start):
        send(decoding.items(), request, outlet, clock, (height, width))
    else:
        send(chain(head, items), request, outlet, clock, (height, width))
    outlet.end(_damage(decoding, whole=request.stop is None))


def _focal_35mm(container: InputContainer) -> float | None:
    """The 35 mm equivalent in a phone's metadata."""
    try:
        return float(container.metadata[QUICKTIME_KEY])
    except (KeyError, ValueError):
        return None


def _until_first_frame(items: Iterator[Decoded]) -> list[Decoded]:
    head = []
    for item in items:
        head.append(item)
        if item.frame is not None:
            break
    return head


class StreamClock:
    """Seconds since the first frame of a stream, strictly increasing."""

    def __init__(self, first_pts: int, time_base: float, fps: float | None) -> None:
        self._first_pts = first_pts
        self._time_base = time_base
        self._interval_s = 1 / (fps or 25)
        self._strict = StrictTimestamps(self._interval_s)

    def timestamp_s(self, item: Decoded) -> float:
        """The time of an item; items without a presentation time are spaced by the nominal rate."""
        if item.pts is None:
            return self._strict.next(item.index * self._interval_s)
        return self._strict.next((item.pts - self._first_pts) * self._time_base)

    @property
    def repaired(self) -> int:
        return self._strict.repaired


def send(
    items: Iterable[Decoded], request: DecodeRequest, outlet: Outlet, clock: StreamClock, size: tuple[int, int]
) -> None:
    """Sends what the request selects. Size: height, width of the recording."""
    for item in items:
        if request.stop is not None and item.index >= request.stop:
            return
        timestamp_s = clock.timestamp_s(item)
        if item.index < request.start or item.index % request.step:
            outlet.beat()
            continue
        if item.frame is None:
            outlet.skip(item.index, timestamp_s, item.reason, clock.repaired)
            continue
        image = upright_rgb(item.frame)
        if image.shape[:2] == size:
            outlet.frame(item.index, timestamp_s, image, clock.repaired)
        else:
            reason = f"the frame is {image.shape[1]}x{image.shape[0]}, the recording {size[1]}x{size[0]}"
            outlet.skip(item.index, timestamp_s, reason, clock.repaired)


def _damage(decoding: VideoDecoding, *, whole: bool) -> str | None:
    if decoding.broken:
        return f"reading stopped early ({decoding.broken})"
    announced = decoding.stream.frames
    if whole and announced and decoding.packets < announced - MISCOUNT:
        return f"it ends early: {announced} frames are announced and {decoding.packets} are there"
    return None
