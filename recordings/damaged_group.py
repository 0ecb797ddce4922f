"""Frames that build on damaged ones: decoders show a guess for them and do not say so."""

from __future__ import annotations

from collections import deque

import av
from av.video.stream import VideoStream

LONGEST_S = 1.0  # further away, guesses are better than a gap that long
DELAY = 32  # packets that decoding threads may have taken in before an error is reported


class DamagedGroup:
    """Tells which frames come after damage in their group of pictures, when its end is near.

    A frame refers to earlier ones up to the last keyframe, so damage lasts until the next keyframe. Where that is at
    most a second away (phones: one second or less) everything up to it is left out. Where it is further, or unknown,
    frames are given as the decoder makes them up: smeared, and healing with time.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._recent: deque[int] = deque(maxlen=min(stream.codec_context.thread_count or 1, DELAY) + 1)
        self._from_pts: int | None = None
        self._until_pts: int | None = None

    def packet(self, packet: av.Packet) -> None:
        """A packet goes to the decoder."""
        if packet.pts is None:
            return
        self._recent.append(packet.pts)
        if self._from_pts is None:
            return
        if packet.is_keyframe and self._until_pts is None:
            self._until_pts = packet.pts
        elif self._until_pts is None:
            self._from_pts = min(self._from_pts, packet.pts)

    def error(self, packet: av.Packet) -> None:
        """The decoder refused this packet, or one shortly before it."""
        if self._recent and self._next_keyframe_is_near(packet):
            self._from_pts = min(self._recent) if self._from_pts is None else self._from_pts
            self._until_pts = None

    def holds(self, pts: int | None) -> bool:
        """Whether the frame shown at `pts` builds on damaged data."""
        if self._from_pts is None or pts is None or pts < self._from_pts:
            return False
        if self._until_pts is not None and pts >= self._until_pts:
            self._from_pts = None
            return False
        return True

    def _next_keyframe_is_near(self, packet: av.Packet) -> bool:
        entries = self._stream.index_entries
        if packet.dts is None or not len(entries):
            return False
        at = entries.search_timestamp(packet.dts + 1, backward=False)
        return at >= 0 and float((entries[at].timestamp - packet.dts) * self._stream.time_base) <= LONGEST_S
