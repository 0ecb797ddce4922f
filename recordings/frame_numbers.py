"""Which position a decoded frame has in its stream, exactly, also where packets were damaged."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass


class FrameNumbers:
    """Matches frames to packets by presentation time and finds packets that never became a frame.

    With reordering, frames come out by rising time, so a packet with an earlier time that is still waiting is lost.
    Without, frames come out in packet order, so whatever waits in front of the frame's own packet is lost.
    """

    def __init__(self, *, reordered: bool, first_index: int = 0, first_pts: int | None = None) -> None:
        self.next_index = first_index
        self._reordered = reordered
        self._first_pts = first_pts
        self._heap: list[int] = []
        self._queue: deque[int] = deque()
        self._lost: set[int] = set()

    def packet(self, pts: int) -> None:
        """A packet went to the decoder."""
        if self._first_pts is not None and pts < self._first_pts:
            return  # shown before the keyframe that decoding started from
        if self._reordered:
            heapq.heappush(self._heap, pts)
        else:
            self._queue.append(pts)

    def frame(self, pts: int) -> tuple[list[tuple[int, int]], int | None]:
        """A frame came out: (index, pts) of packets lost before it, and its own index.

        The index is None when the frame was given up before: damaged decoders let frames out in the wrong order.
        """
        if pts in self._lost:
            return [], None
        lost = self._earlier(pts)
        index = self.next_index
        self.next_index += 1
        return lost, index

    def rest(self) -> list[tuple[int, int]]:
        """(index, pts) of packets still waiting when the decoder has nothing more to give."""
        waiting = sorted(self._heap) if self._reordered else list(self._queue)
        self._heap.clear()
        self._queue.clear()
        return [self._take(pts) for pts in waiting]

    def _earlier(self, pts: int) -> list[tuple[int, int]]:
        lost: list[tuple[int, int]] = []
        if self._reordered:
            while self._heap and self._heap[0] < pts:
                lost.append(self._take(heapq.heappop(self._heap)))
            if self._heap and self._heap[0] == pts:
                heapq.heappop(self._heap)
        elif pts in self._queue:
            while (waiting := self._queue.popleft()) != pts:
                lost.append(self._take(waiting))
        return lost

    def _take(self, pts: int) -> tuple[int, int]:
        self._lost.add(pts)
        self.next_index += 1
        return self.next_index - 1, pts


@dataclass(frozen=True)
class PacketTable:
    """Presentation times of all packets of a stream: what makes seeking exact, at any frame rate."""

    pts: list[int]  # ascending
    keyframe_pts: list[int]  # ascending

    @classmethod
    def from_packets(cls, packets: list[tuple[int | None, bool]], *, reordered: bool) -> PacketTable | None:
        """From (pts, is keyframe) in stored order; None where times are missing, doubled or, unreordered, go back."""
        pts = [p for p, _ in packets if p is not None]
        if len(pts) != len(packets) or len(set(pts)) != len(pts) or not pts:
            return None
        if not reordered and pts != sorted(pts):
            return None
        return cls(sorted(pts), sorted(p for p, key in packets if key and p is not None))

    def keyframe_before(self, index: int) -> int | None:
        """pts of the last keyframe at or before frame `index`; None when there is none."""
        if index >= len(self.pts):
            index = len(self.pts) - 1
        at = bisect_left(self.keyframe_pts, self.pts[index] + 1)
        return self.keyframe_pts[at - 1] if at else None

    def index_of(self, pts: int) -> int | None:
        """Index of the frame shown at `pts`."""
        at = bisect_left(self.pts, pts)
        return at if at < len(self.pts) and self.pts[at] == pts else None
