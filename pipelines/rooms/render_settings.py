"""Settings of the room renderer."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class LightingSettings(BaseModel):
    """How much is spent on light. Rays are per pixel of the half-size grid; 16 neighbours share their samples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shadow_rays: int = Field(4, description="rays to lamps and windows", ge=1, le=64)
    ambient_rays: int = Field(2, description="rays that ask how open a place is", ge=1, le=64)
    ambient_reach_m: float = Field(1.2, description="things further away (m) do not darken a place", gt=0)
    edge_samples: int = Field(3, description="more samples per pixel on edges, against jagged outlines", ge=0, le=4)
    brightest: float = Field(6.0, description="radiance of one sample is cut here; 1 is white", gt=1)


class SensorSettings(BaseModel):
    """The faults of a hand-held camera: ranges that every clip draws its own from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mid_grey: tuple[float, float] = Field((0.14, 0.34), description="linear mean that the exposure aims at")
    exposure_error: float = Field(0.12, description="deviation of the exposure's logarithm from its aim", ge=0)
    white_balance_error: float = Field(0.07, description="deviation of the logarithm of red and blue gain", ge=0)
    light_colour_left: tuple[float, float] = Field((0.2, 0.8), description="share of the light's tint that stays")
    contrast: tuple[float, float] = Field((0.9, 1.3), description="slope of the tone curve at its middle")
    saturation: tuple[float, float] = Field((0.85, 1.3), description="1 leaves colours as they are")
    vignetting: tuple[float, float] = Field((0.0, 0.35), description="share of light lost in the corners")
    shot_noise: tuple[float, float] = Field((2e-5, 8e-4), description="variance of noise per unit of linear light")
    read_noise: tuple[float, float] = Field((0.0005, 0.006), description="deviation of noise in the dark")
    noise_grain: tuple[float, float] = Field((0.0, 0.8), description="deviation (px) of the blur that coarsens noise")
    softness_px: tuple[float, float] = Field((0.2, 0.75), description="deviation of the lens blur at 256 pixels width")
    sharpening: tuple[float, float] = Field((0.0, 0.5), description="strength of the unsharp mask")
    shutter_s: tuple[float, float] = Field((0.001, 0.02), description="exposure time that motion blur comes from")
    jpeg_quality: tuple[int, int] = Field((70, 97), description="quality of the JPEG round trip")
    jpeg_share: float = Field(0.8, description="share of clips that went through JPEG", ge=0, le=1)


class RenderSettings(BaseModel):
    """One clip's pictures and truth."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lighting: LightingSettings = LightingSettings()
    sensor: SensorSettings = SensorSettings()
    instances: bool = Field(False, description="keep instance ids")
    flow: bool = Field(False, description="keep optical flow")
    scene_flow: bool = Field(False, description="keep scene flow")
    albedo: bool = Field(False, description="keep albedo")
    shading: bool = Field(False, description="keep shading")
    depth_step: float = Field(0.02, description="relative jump of depth that is a boundary", gt=0)
    crease_deg: float = Field(30.0, description="angle (degrees) between surfaces that is a boundary", gt=0, lt=180)
