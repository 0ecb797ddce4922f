"""Settings of the trackers."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TrackerSettings(BaseModel):
    """How frames get their poses. Lengths are metres where the recording has depth or given poses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["pycolmap", "given"] = Field(
        "pycolmap", description="pycolmap: estimate poses from the images; given: take the poses of the recording"
    )
    seed: int = Field(0, description="seed of every random draw in tracking", ge=0)
    max_tracks: int = Field(300, description="image points followed from frame to frame", ge=60, le=2000)
    min_inliers: int = Field(15, description="landmarks a pose must rest on; fewer and the frame is lost", ge=6)
    min_start_angle_deg: float = Field(
        2.0, description="least median triangulation angle, degrees, of the two-view start", ge=0.5, le=20
    )
    keyframe_angle_deg: float = Field(
        3.0, description="parallax since the last keyframe, degrees, that makes a new one", gt=0.1, le=30
    )
    window: int = Field(20, description="latest keyframes that bundle adjustment moves at each keyframe", ge=3)
    wide_window: int = Field(
        120,
        description="latest keyframes that it moves at every wide_every-th keyframe, where no depth holds the scale",
        ge=3,
    )
    wide_every: int = Field(4, description="keyframes from one wide bundle adjustment to the next", ge=1)
    watch_motion: bool = Field(
        True, description="keep points off regions that move by themselves, as people do; a mask for fusion as well"
    )
    max_keyframes: int = Field(160, description="keyframes remembered; the oldest are forgotten first", ge=10)
    max_landmarks: int = Field(6000, description="landmarks remembered; those unseen longest are forgotten", ge=300)
    max_places: int = Field(
        500, description="keyframes by which a lost or returning camera is recognised; thinned out beyond", ge=2
    )
    lost_before_restart: int = Field(
        8, description="frames lost in a row after which a new component of the trajectory begins", ge=1
    )
    max_depth_m: float = Field(8.0, description="sensor depth beyond this is not used for tracking, metres", gt=0.1)
    max_speed_m_s: float = Field(
        5.0, description="given poses that move faster are flagged in the frame's reason, metres per second", gt=0
    )
