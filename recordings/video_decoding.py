"""PyAV decoding of one video stream into numbered frames. Runs in the decoding process only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from recordings.damaged_group import DamagedGroup
from recordings.frame_numbers import FrameNumbers, PacketTable

# Codecs where every packet shows exactly one frame, so that a missing frame is a damaged one (VP8 has hidden frames).
ONE_FRAME_PER_PACKET = {"h264", "hevc", "mpeg4", "mjpeg", "vp9", "libdav1d", "av1", "ffv1", "prores", "png"}
DAMAGED = "the data of this frame is damaged and could not be decoded"
BUILDS_ON_DAMAGE = "this frame builds on one whose data is damaged"


@dataclass(frozen=True)
class Decoded:
    """One position of the stream: a frame, or the reason why there is none."""

    index: int
    pts: int | None
    frame: av.VideoFrame | None
    reason: str = ""


class VideoDecoding:
    """Frames of a stream by position, damaged ones included; can start at any position, exactly."""

    def __init__(self, path: str, container: InputContainer, stream: VideoStream) -> None:
        self.path = path
        self.container = container
        self.stream = stream
        self.packets = 0
        self.broken: str | None = None  # why reading the container stopped early
        self._numbers = self._new_numbers()
        self._first_pts: int | None = None
        self._damaged_group = DamagedGroup(stream)

    @property
    def _reordered(self) -> bool:
        return bool(self.stream.codec_context.has_b_frames) and not self.stream.codec_context.codec.intra_only

    def _new_numbers(self, first_index: int = 0, first_pts: int | None = None) -> FrameNumbers | None:
        context = self.stream.codec_context
        progressive = int(context.field_order) in (0, 1)  # unknown or progressive: fields could share a frame
        if context.codec.name not in ONE_FRAME_PER_PACKET or not progressive:
            return None
        return FrameNumbers(reordered=self._reordered, first_index=first_index, first_pts=first_pts)

    def items(self) -> Iterator[Decoded]:
        """Everything from the current place to the end of the stream."""
        counted = 0
        for frame in self._raw_frames():
            if frame is None:  # a packet that failed; only counted where packets cannot be matched to frames
                if self._numbers is None:
                    yield Decoded(counted, None, None, DAMAGED)
                    counted += 1
                continue
            if self._first_pts is not None and frame.pts is not None and frame.pts < self._first_pts:
                continue
            if self._numbers is None or frame.pts is None:
                index = counted
            else:
                lost, index = self._numbers.frame(frame.pts)
                yield from (Decoded(i, pts, None, DAMAGED) for i, pts in lost)
                if index is None:
                    continue
            counted = index + 1
            yield self._judged(index, frame)
        if self._numbers is not None:
            yield from (Decoded(i, pts, None, DAMAGED) for i, pts in self._numbers.rest())

    def _judged(self, index: int, frame: av.VideoFrame) -> Decoded:
        if frame.is_corrupt:
            return Decoded(index, frame.pts, None, DAMAGED)
        if self._damaged_group.holds(frame.pts):
            return Decoded(index, frame.pts, None, BUILDS_ON_DAMAGE)
        return Decoded(index, frame.pts, frame)

    def _raw_frames(self) -> Iterator[av.VideoFrame | None]:
        """Decoder output in order; None for a packet that was refused."""
        try:
            for packet in self.container.demux(self.stream):
                if packet.size:
                    self.packets += 1
                if packet.size and not packet.is_discard:
                    self._note(packet)
                    self._damaged_group.packet(packet)
                try:
                    yield from packet.decode()
                except av.error.FFmpegError:
                    self._damaged_group.error(packet)
                    yield None
        except (av.error.FFmpegError, OSError) as error:
            self.broken = error.strerror or str(error)
            yield from self._held_back()

    def _held_back(self) -> list[av.VideoFrame]:
        """Frames that the decoder still holds when reading broke off."""
        try:
            return self.stream.codec_context.decode(None)
        except av.error.FFmpegError:
            return []

    def _note(self, packet: av.Packet) -> None:
        if self._numbers is None:
            return
        if packet.pts is None:
            self._numbers = None  # times are missing: frames can only be counted
        else:
            self._numbers.packet(packet.pts)

    def seek(self, index: int) -> bool:
        """Goes to the keyframe before `index` where positions there are known exactly; tells whether it did."""
        landing = self._landing(index) if self._numbers is not None else None
        if landing is None:
            return False
        wanted_pts, first_index, first_pts = landing
        self.container.seek(wanted_pts, stream=self.stream, backward=True)
        self._numbers = self._new_numbers(first_index, first_pts)
        self._first_pts = first_pts
        self._damaged_group = DamagedGroup(self.stream)
        self.packets = first_index
        return True

    def _landing(self, index: int) -> tuple[int, int, int] | None:
        """(pts to ask for, index and pts of the keyframe where reading then goes on), tried on a second reader."""
        packets: list[tuple[int | None, bool]] = []
        try:
            with av.open(self.path) as container:
                stream = container.streams[self.stream.index]
                for packet in container.demux(stream):
                    if packet.size and not packet.is_discard:
                        packets.append((packet.pts, packet.is_keyframe))
                table = PacketTable.from_packets(packets, reordered=self._reordered)
                wanted_pts = table.keyframe_before(index) if table else None
                if table is None or wanted_pts is None:
                    return None
                container.seek(wanted_pts, stream=stream, backward=True)
                landed = next((p for p in container.demux(stream) if p.size and not p.is_discard), None)
        except (av.error.FFmpegError, OSError):
            return None
        if landed is None or landed.pts is None or not landed.is_keyframe or landed.pts > wanted_pts:
            return None
        first_index = table.index_of(landed.pts)
        return None if first_index is None else (wanted_pts, first_index, landed.pts)


def upright_rgb(frame: av.VideoFrame) -> np.ndarray:
    """u8 [H,W,3] RGB with the rotation applied that the file asks for (phones store portrait video lying down)."""
    image = frame.to_ndarray(format="rgb24")
    quarter_turns = round(frame.rotation / 90) % 4  # counter-clockwise, as np.rot90 turns
    return np.rot90(image, quarter_turns) if quarter_turns else image
