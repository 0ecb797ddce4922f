"""What fusion can be told."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

VOXELS_OF_TRUNCATION = 2.0


class FusionSettings(BaseModel):
    """Settings of the voxel grid. Lengths in metres.

    Raises (on construction): pydantic.ValidationError for a value out of range, an unknown name, a truncation under two
    voxels, or near_m not below far_m.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="where voxels live: auto (CUDA where there is one), cpu, cuda, cuda:1, ...",
    )
    voxel_size_m: float = Field(0.02, gt=0, le=1, description="m, side of a voxel")
    truncation_m: float = Field(
        0.04, gt=0, description="m, half width of the band around a surface that is stored; 2 voxels where not given"
    )
    near_m: float = Field(0.2, gt=0, description="m, nearer depth is not used")
    far_m: float = Field(6.0, gt=0, description="m, farther depth is not used")
    min_confidence: float = Field(0.1, ge=0, le=1, description="depth with less confidence than this is not used")
    cosine_floor: float = Field(
        0.1, gt=0, le=1, description="least cosine between normal and view that a weight is given for"
    )
    max_pixel_weight: float = Field(
        4.0, gt=0, description="greatest weight of one observation; a frontal pixel at 1 m has 1"
    )
    max_weight: float = Field(
        64.0,
        gt=0,
        le=2048,
        description="greatest weight of a voxel; beyond it, old observations fade as new ones arrive",
    )
    free_space_weight: float = Field(
        1.0,
        ge=0,
        le=1,
        description="weight of free space seen before a surface, in blocks that hold it; 0 = not recorded",
    )
    labels_per_voxel: int = Field(
        4,
        ge=1,
        le=21,
        description="labels that a voxel keeps evidence for; complete where the label space has no more classes",
    )
    label_band: float = Field(
        1.0,
        gt=0,
        le=1,
        description="fraction of the truncation around the surface where voxels collect label evidence; less leaves "
        "oblique surfaces without labels",
    )

    @model_validator(mode="before")
    @classmethod
    def _truncation_follows_the_voxels(cls, values: Any) -> Any:
        """Wide enough to average the noise of depth, narrow enough that two sides of a board stay apart."""
        if isinstance(values, dict) and isinstance(values.get("voxel_size_m"), int | float | str):
            try:
                return {"truncation_m": VOXELS_OF_TRUNCATION * float(values["voxel_size_m"]), **values}
            except ValueError:  # no number: the field itself says so
                return values
        return values

    @model_validator(mode="after")
    def _lengths_fit_together(self) -> FusionSettings:
        if self.truncation_m < 2 * self.voxel_size_m:
            raise ValueError(
                f"truncation_m is {self.truncation_m}; it must be at least two voxels, that "
                f"is {2 * self.voxel_size_m} m at voxel_size_m {self.voxel_size_m}. Raise truncation_m."
            )
        if self.near_m >= self.far_m:
            raise ValueError(f"near_m is {self.near_m} and far_m is {self.far_m}; near_m must be the smaller one.")
        return self
