"""Settings of camera paths."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Style(StrEnum):
    """What the person with the camera is doing."""

    WALK = "walk"  # goes on in about one direction and looks ahead
    ORBIT = "orbit"  # goes around one thing and keeps looking at it
    INSPECT = "inspect"  # looks at one thing after another from close by
    TURN = "turn"  # turns about itself
    SWEEP = "sweep"  # goes sideways


STYLES = {Style.WALK: 0.28, Style.ORBIT: 0.24, Style.INSPECT: 0.22, Style.TURN: 0.16, Style.SWEEP: 0.10}


class PathSettings(BaseModel):
    """How a hand-held camera goes through a room. Ranges are drawn from per clip or per frame."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    height_m: tuple[float, float] = Field((1.0, 1.8), description="height of the camera above the floor")
    clearance_m: float = Field(0.2, description="distance kept from every surface", gt=0)
    focal_widths: tuple[float, float] = Field((0.7, 1.3), description="focal length in image widths")
    pitch_deg: tuple[float, float] = Field((-45.0, 15.0), description="how far the camera looks down and up")
    roll_deg: float = Field(2.5, description="deviation of the roll (degrees)", ge=0)
    step_m: tuple[float, float] = Field((0.03, 0.4), description="way to the next frame, drawn evenly in its logarithm")
    turn_deg: tuple[float, float] = Field((4.0, 25.0), description="turn to the next frame; what comes first counts")
    speed_m_s: tuple[float, float] = Field((0.25, 0.9), description="speed of the camera")
    turn_rate_deg_s: tuple[float, float] = Field((20.0, 70.0), description="fastest turning (degrees per second)")
    burst_share: float = Field(0.12, description="share of clips filmed two to three times as fast", ge=0, le=1)
    shake_deg: tuple[float, float] = Field((0.2, 1.2), description="trembling of the hand (degrees)")
    shake_m: tuple[float, float] = Field((0.002, 0.01), description="trembling of the hand (m)")
    least_overlap: float = Field(0.45, description="share of a frame that the next one must see, too", ge=0, lt=1)
    rich_share: float = Field(0.85, description="share of clips half of whose frames must show many things", ge=0, le=1)
    styles: dict[Style, float] = Field(STYLES, description="how often each style of filming is chosen")
    least_median_m: float = Field(0.6, description="median depth (m) that every frame has", ge=0)
    frame_rate: float | None = Field(None, description="frames per second; None: frames as a keyframe selector picks")
    attempts: int = Field(60, description="paths tried before a room is given up", ge=1)


# For maps of whole rooms: a calm video that gets about.
DENSE = PathSettings(
    frame_rate=30.0,
    speed_m_s=(0.3, 0.55),
    turn_rate_deg_s=(20.0, 40.0),
    burst_share=0.0,
    focal_widths=(0.75, 1.0),
    styles={Style.WALK: 0.5, Style.ORBIT: 0.3, Style.SWEEP: 0.2},
    least_median_m=0.9,
)
