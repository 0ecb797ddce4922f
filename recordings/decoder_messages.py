"""What the decoding process and its consumer say to each other, apart from the pixels."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class DecodeRequest:
    """What to decode. Positions given: start <= index < stop, multiples of step."""

    source: str  # path, URL, or device file
    ring: int  # file descriptor of the frame ring
    slots: int
    threads: int
    open_timeout_s: float
    read_timeout_s: float
    capture: bool = False  # a camera device
    live: bool = False  # decode with little delay, give up on silence
    options: dict[str, str] = field(default_factory=dict)  # for FFmpeg
    start: int = 0
    step: int = 1
    stop: int | None = None


@dataclass(frozen=True)
class VideoHeader:
    """What is known once the first frame is decoded: upright size in pixels, rate and announced number of frames."""

    width: int
    height: int
    fps: float | None
    frames: int | None
    endless: bool  # no known duration: a live stream
    slots: int = 0
    focal_35mm: float | None = None  # millimetres, as the camera wrote it into the metadata
