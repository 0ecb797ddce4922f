"""Settings of the perception model."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ModelSettings(BaseModel):
    """Which model runs and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("planesweep", description="model, as listed by model_names()")
    height: int = Field(240, description="network input height, pixels; a multiple of 16", gt=0, multiple_of=16)
    width: int = Field(320, description="network input width, pixels; a multiple of 16", gt=0, multiple_of=16)
    num_planes: int = Field(64, description="depth hypotheses per pixel", ge=8, le=512)
    near_m: float = Field(0.5, description="nearest depth where no sparse points say otherwise, metres", gt=0.05)
    far_m: float = Field(10.0, description="farthest depth where no sparse points say otherwise, metres", gt=0.05)
    threads: int | None = Field(None, description="CPU threads of the model; none leaves PyTorch's own choice", ge=1)
    device: str = Field("auto", description="auto (CUDA where there is one), cpu, cuda, cuda:1, ...")
    allow_untrained: bool = Field(False, description="run a network that has no trained weights, to try the plumbing")
    weights: Path | None = Field(None, description="safetensors file with trained weights")
    weights_sha256: str | None = Field(None, description="checksum the weights file must have; none does not check")
    seed: int = Field(0, description="seed of untrained parameters", ge=0)

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> ModelSettings:
        if self.far_m <= self.near_m:
            raise ValueError(f"far_m is {self.far_m}, not beyond near_m {self.near_m}; set it farther, e.g. 10")
        return self
