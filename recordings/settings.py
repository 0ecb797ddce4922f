"""Settings of the room: patience with decoders and streams, memory of the frame ring."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RecordingSettings(BaseModel):
    """How long to wait, how often to try again, how much to hold in memory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hang_timeout_s: float = Field(
        20.0, gt=0, description="seconds without progress after which a decoding process is taken for dead"
    )
    open_timeout_s: float = Field(30.0, gt=0, description="seconds a file, camera or stream may take to open")
    ring_slots: int = Field(8, ge=2, le=64, description="decoded frames held in shared memory, ahead of the consumer")
    decoder_threads: int = Field(4, ge=1, le=32, description="decoding threads, at most; the number of cores caps it")
    reconnect_tries: int = Field(5, ge=0, description="attempts in a row to get a lost stream or camera back")
    reconnect_wait_s: float = Field(
        0.5, gt=0, description="seconds before the first attempt; each further one waits twice as long, at most 10 s"
    )
    nominal_fps: float = Field(30.0, gt=0, description="frames per second of images that come without time stamps")
