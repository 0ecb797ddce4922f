"""What is known, or asked, of the scale of a map."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ScaleSettings(BaseModel):
    """When the ratio of depth to tracked points is good enough, or a length that is known in its place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_points: int = Field(50, ge=3, description="sparse points a keyframe needs before its ratio counts")
    min_keyframes: int = Field(8, ge=2, description="keyframes whose ratios settle the scale")
    enough_keyframes: int = Field(
        20,
        ge=2,
        description="where depth is a network's, as many as are waited for before fewer will do, at the end of a "
        "recording: of one place it is wrong in one way",
    )
    max_keyframes: int = Field(30, ge=1, description="keyframes after which an unsettled scale is given up")
    max_interval: float = Field(
        0.2, gt=0, description="width of the 95 % interval, relative to the scale, to settle; of a network half more"
    )
    factor: float | None = Field(None, gt=0, description="known: metres in a unit of the poses")
    camera_height_m: float | None = Field(
        None, gt=0, description="known: metres from the floor to the camera, while the floor is in view at the start"
    )
    distance_m: float | None = Field(
        None,
        gt=0,
        description="known: metres between the cameras of distance_frames, or between distance_pixels in them",
    )
    distance_frames: tuple[int, int] | None = Field(None, description="two frames, e.g. [30, 250], for distance_m")
    distance_pixels: tuple[tuple[float, float], tuple[float, float]] | None = Field(
        None,
        description="column and row of two image points, e.g. [[80, 200], [410, 205]], one in each of distance_frames, "
        "which may then be the same frame; pixels of the image as mapped, upright",
    )
    stated_error: float = Field(0.02, ge=0, lt=1, description="95 % half-width of a known length, relative to it")
    given_poses: Literal["auto", "metres", "unknown"] = Field(
        "auto", description="unit of given poses; auto: unknown for COLMAP models, metres for all others"
    )

    @model_validator(mode="after")
    def _one_is_enough(self) -> Self:
        if sum(value is not None for value in (self.factor, self.camera_height_m, self.distance_m)) > 1:
            raise ValueError("give only one of factor, camera_height_m and distance_m")
        if (self.distance_m is None) != (self.distance_frames is None):
            raise ValueError("distance_m and distance_frames belong together")
        if self.distance_pixels is not None and self.distance_frames is None:
            raise ValueError("distance_pixels need distance_m and distance_frames")
        ends = zip(self.distance_frames or (0, 1), self.distance_pixels or (0, 0), strict=True)
        if len(set(ends)) < 2:
            raise ValueError(
                "distance_frames are two different frames, unless distance_pixels are two different points"
            )
        return self

    @property
    def stated_length(self) -> str:
        """What is known, in words; empty where the scale has to be measured against depth."""
        if self.factor is not None:
            return "stated factor"
        if self.camera_height_m is not None:
            return f"stated camera height of {self.camera_height_m:g} m above the floor"
        if self.distance_frames is not None:
            between = "frames {} and {}".format(*self.distance_frames)
            if self.distance_pixels is not None:
                shown = zip(self.distance_pixels, self.distance_frames, strict=True)
                between = " and ".join("pixel ({:g}, {:g}) of frame {}".format(*uv, frame) for uv, frame in shown)
            return f"stated distance of {self.distance_m:g} m between {between}"
        return ""
