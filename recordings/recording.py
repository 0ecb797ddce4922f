"""What every source of frames offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from recordings.focal_hint import FocalHint
from streammtl.camera import Camera
from streammtl.views import Frame, SkippedFrame


@dataclass
class Health:
    """What went wrong while reading, and was survived."""

    damaged: str | None = None  # what happened, for people
    dropped: int = 0  # frames a live consumer was too late for
    repaired_timestamps: int = 0


class Recording(ABC):
    """A source of frames.

    name: for people. kind: "video", "images", "recording", "tum", "7scenes", "camera" or "stream".
    frame_count: how many frames `frames()` gives, None when unknown. fps: of the source, None when unknown.
    camera: pinhole, of the images as given, None when the calibration is unknown. width, height: pixels.
    is_live: frames come at their own pace and late consumers lose some.
    """

    kind: str = ""

    def __init__(self, name: str) -> None:
        self.name = name
        self.width = 0
        self.height = 0
        self.frame_count: int | None = None
        self.fps: float | None = None
        self.camera: Camera | None = None
        self.has_depth = False
        self.has_poses = False
        self.is_live = False
        self.focal_hint: FocalHint | None = None  # what the camera wrote of its lens
        self.image_names: list[str] | None = None  # of image files, by index, without folder and suffix
        self.time_span_s: tuple[float, float | None] = (0.0, None)  # first and last time stamp, as far as known
        self.health = Health()

    @abstractmethod
    def frames(self, start: int = 0) -> Iterator[Frame | SkippedFrame]:
        """Frames with index >= start, in order, time stamps strictly increasing.

        The index is the position in the source, so a stride of 2 gives 0, 2, 4 and so on. Calling it again starts
        again; live sources go on with what comes next. Raises: RecordingError when nothing can be read.
        """

    def close(self) -> None:  # noqa: B027  sources without a process or connection have nothing to end
        """Ends decoders and connections; harmless when called twice."""

    @property
    def damaged(self) -> str | None:
        """What was wrong with the source, for people; None when nothing was noticed."""
        return self.health.damaged

    @property
    def dropped(self) -> int:
        """Frames that were never given because newer ones had come."""
        return self.health.dropped

    @property
    def repaired_timestamps(self) -> int:
        """Frames whose time stamp went backward or stood still, and was moved forward."""
        return self.health.repaired_timestamps

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class WrappedRecording(Recording):
    """A recording whose frames pass through `change`; everything else is the inner one's."""

    def __init__(self, inner: Recording) -> None:
        super().__init__(inner.name)
        self.inner = inner
        self.kind = inner.kind
        self.width, self.height = inner.width, inner.height
        self.frame_count, self.fps = inner.frame_count, inner.fps
        self.camera = inner.camera
        self.focal_hint = inner.focal_hint
        self.has_depth, self.has_poses, self.is_live = inner.has_depth, inner.has_poses, inner.is_live
        self.time_span_s, self.image_names = inner.time_span_s, inner.image_names
        self.health = inner.health

    def change(self, frame: Frame) -> Frame:
        """The frame as the consumer shall see it."""
        return frame

    def frames(self, start: int = 0) -> Iterator[Frame | SkippedFrame]:
        for item in self.inner.frames(start):
            yield item if isinstance(item, SkippedFrame) else self.change(item)

    def close(self) -> None:
        self.inner.close()
