"""Settings of the perception model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streammtl.crossview.choices import MatchFeatures, NeighbourRule, SingleView, Spacing


class ModelSettings(BaseModel):
    """Which model runs and how. Where a setting may be none, none is the model's own choice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("m2h-lite", description="model, as listed by `streammtl models`")
    height: int = Field(240, description="network input height, pixels; a multiple of 16", gt=0, multiple_of=16)
    width: int = Field(320, description="network input width, pixels; a multiple of 16", gt=0, multiple_of=16)
    num_planes: int | None = Field(None, description="depth hypotheses per pixel; cvm 128, others 64", ge=8, le=512)
    near_m: float = Field(0.5, description="nearest depth where no sparse points say otherwise, metres", gt=0.05)
    far_m: float = Field(10.0, description="farthest depth where no sparse points say otherwise, metres", gt=0.05)
    threads: int | None = Field(None, description="CPU threads of the model; none leaves PyTorch's own choice", ge=1)
    device: str = Field("auto", description="auto (CUDA where there is one), cpu, cuda, cuda:1, ...")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="of a network's products; auto is bf16 where the device computes in it, geometry stays fp32"
    )
    allow_untrained: bool = Field(False, description="run a network that has no trained weights, to try the plumbing")
    weights: Path | None = Field(None, description="safetensors file with trained weights")
    weights_sha256: str | None = Field(None, description="checksum the weights file must have; none does not check")
    matching_weights: Path | None = Field(
        None, description="safetensors file that the cross-view module alone starts from; weights, if given, win"
    )
    seed: int = Field(0, description="seed of untrained parameters", ge=0)
    encoder: str | None = Field(None, description="image encoder of a network, as listed by `streammtl models`")
    encoder_levels: tuple[int, ...] | None = Field(None, description="blocks of a ViT taken as levels, 0 the first")
    adapter_paths: int | None = Field(
        None, description="paths of adapters beside a ViT, mixed by a router of each task as in SAK", ge=0
    )
    pretrained_encoder: bool = Field(True, description="start the encoder from its published weights, not from noise")
    decoder: Literal["pyramid", "levels", "fusion"] | None = Field(
        None, description="decoder: top-down over strides 4 to 32; that of CvM or that of M2H, which fit any encoder"
    )
    decoder_width: int | None = Field(None, description="channels of each task, a multiple of 8", gt=0, multiple_of=8)
    mixer: str | None = Field(None, description="task mixer: wmca, ggfm, one_to_n, a sum such as wmca+ggfm, or none")
    mixer_window: int | None = Field(None, description="side of a task mixer's attention windows, pixels at 1/4", ge=1)
    mixer_layers: int | None = Field(None, description="attention layers of a task mixer", ge=1)
    mixer_heads: int | None = Field(None, description="attention heads of a task mixer", ge=1)
    mixer_channels: int | None = Field(None, description="channels a task mixer's attention works on", gt=0)
    mixer_shifted: bool | None = Field(None, description="every second attention layer's windows are shifted by half")
    mixer_masking: float | None = Field(
        None, description="share of steps in which 1-to-N attention leaves a task unasked, in training", ge=0, lt=1
    )
    diffusion_folder: Path | None = Field(
        None, description="folder of a latent diffusion model (unet/, vae/) for stablemtl; none: its own tiny one"
    )
    unet_inputs: Literal[8, 12] | None = Field(
        None, description="input channels of stablemtl: latents of two frames, or with four zeros as in its paper"
    )
    task_prompts: bool = Field(False, description="stablemtl's task tokens are CLIP's of their names, not learned anew")
    depth_head: Literal["planes", "linear"] | None = Field(
        None, description="depth: expected plane plus residual, or a linear map as the paper's"
    )
    match_features: MatchFeatures | None = Field(
        None, description="what views are matched by: own (CNN), encoder, lora, adapter"
    )
    cost_volume: bool | None = Field(None, description="give the plane-sweep cost volume to the decoder")
    plane_metadata: bool | None = Field(
        None, description="cost volume weighs views per point by angle, distance and depth, learned"
    )
    cross_view_features: bool | None = Field(None, description="give the matching features to the decoder")
    cross_view_channels: int | None = Field(None, description="width of the matching features", gt=0, multiple_of=4)
    cross_view_layers: int | None = Field(None, description="self- and cross-attention layers between views", ge=0)
    cross_view_upsampling: Literal[1, 2, 4] | None = Field(None, description="learned upsampling from 1/8, times")
    volume_stride: Literal[4, 8] | None = Field(
        None, description="cost volume at 1/8 of the image or, finer and slower, at 1/4"
    )
    plane_spacing: Spacing | None = Field(None, description="planes: inverse, log, or paper_literal for comparison")
    single_view: SingleView | None = Field(
        None, description="a view without neighbours meets no_match (learned) or its duplicate (as in the paper)"
    )
    num_neighbours: int | None = Field(None, description="views that each view is compared with", ge=1)
    neighbour_rule: NeighbourRule | None = Field(
        None, description="best neighbours by parallax, or nearest by distance"
    )
    sweep: bool | None = Field(
        None,
        description="refine a network's depth by comparing patches of the images, as planesweep does; left open: "
        "m2h-lite does, the others do not",
    )

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> ModelSettings:
        if self.far_m <= self.near_m:
            raise ValueError(f"far_m is {self.far_m}, not beyond near_m {self.near_m}; set it farther, e.g. 10")
        return self
