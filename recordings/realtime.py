"""A recorded file played like a camera: frames at their own time, late consumers get the newest one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

from recordings.newest_item import NewestItem
from recordings.recording import Recording, WrappedRecording
from streammtl.errors import ConfigError
from streammtl.views import Frame, SkippedFrame


class RealtimeRecording(WrappedRecording):
    """Paces the frames of an offline recording by their time stamps; `dropped` counts those nobody was in time for."""

    def __init__(self, inner: Recording, max_frames: int | None = None) -> None:
        if inner.is_live:
            raise ConfigError(f"{inner.name} is live already; realtime is for recorded files.")
        super().__init__(inner)
        self.is_live = True
        self._max_frames = max_frames
        if max_frames is not None and self.frame_count is not None:
            self.frame_count = min(self.frame_count, max_frames)

    def frames(self, start: int = 0) -> Iterator[Frame | SkippedFrame]:
        mailbox = NewestItem(self._count_drop)
        stop = threading.Event()
        player = threading.Thread(target=self._play, args=(start, mailbox, stop), daemon=True)
        player.start()
        given = 0
        try:
            for item in mailbox.items():
                yield item
                given += 1
                if given == self._max_frames:
                    return
        finally:
            stop.set()
            player.join()

    def _count_drop(self) -> None:
        self.health.dropped += 1

    def _play(self, start: int, mailbox: NewestItem, stop: threading.Event) -> None:
        began = None
        try:
            with closing(self.inner.frames(start)) as items:
                for item in items:
                    now = time.monotonic()
                    began = now - item.timestamp_s if began is None else began
                    if stop.wait(max(0.0, began + item.timestamp_s - now)):
                        return
                    mailbox.put(item)
            mailbox.end()
        except Exception as error:  # whatever it is, the consumer has to see it
            mailbox.end(error)
