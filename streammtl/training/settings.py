"""Settings of a training."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streammtl.data.sampler import SamplingSettings
from streammtl.data.sets.settings import DataSource
from streammtl.models.settings import ModelSettings

FROZEN = ConfigDict(frozen=True, extra="forbid")


class Stage(BaseModel):
    """A stretch of steps at one image size."""

    model_config = FROZEN

    steps: int = Field(1500, description="optimiser steps", ge=1)
    height: int = Field(192, description="image height, pixels", gt=0, multiple_of=16)
    width: int = Field(256, description="image width, pixels", gt=0, multiple_of=16)
    batch_size: int = Field(8, description="samples per forward pass and process", ge=1)
    accumulate: int = Field(1, description="forward passes per optimiser step", ge=1)

    @property
    def size(self) -> tuple[int, int]:
        return self.height, self.width


class DataSettings(BaseModel):
    """Where samples come from."""

    model_config = FROZEN

    pool: DataSource = Field(
        Path("pool/train"), description="what to train on: a folder of clips, or data sets [{name, root, split, share}]"
    )
    validation: DataSource | None = Field(None, description="what to choose weights on, as `pool`; never trained on")
    validation_samples: int = Field(64, description="samples judged at each validation", ge=1)
    batches: Literal["together", "isolated", "mixed"] = Field(
        "together",
        description="labels of a batch: all; one task each optimiser step, in turn; or one task of each sample",
    )
    sampling: SamplingSettings = SamplingSettings()
    threads: int = Field(2, description="threads that prepare batches; 0 prepares them in between", ge=0)
    prefetch: int = Field(4, description="batches prepared ahead", ge=1)


class OptimiserSettings(BaseModel):
    """AdamW with parameter groups, and how the learning rate goes.

    The pretrained encoder learns slower than what starts from noise; norms, biases and other vectors do not decay.
    """

    model_config = FROZEN

    learning_rate: float = Field(1e-3, description="of what starts from noise", gt=0)
    encoder_factor: float = Field(0.3, description="times that for the image encoder", ge=0)
    matching_factor: float = Field(1.0, description="times that for the cross-view module", ge=0)
    weight_decay: float = Field(0.01, description="decoupled decay of matrices and kernels", ge=0)
    betas: tuple[float, float] = Field((0.9, 0.98), description="decay of the moments")
    schedule: Literal["cosine", "polynomial", "exponential", "constant"] = Field(
        "cosine", description="fall of the learning rate"
    )
    power: float = Field(0.9, description="exponent of the polynomial schedule", gt=0)
    final_factor: float = Field(0.02, description="learning rate at the last step, of the first", ge=0, le=1)
    warmup_steps: int = Field(150, description="steps over which the rate rises", ge=0)
    clip_norm: float = Field(1.0, description="largest gradient norm; longer ones are shortened", gt=0)
    average_decay: float = Field(
        0.998, description="of the moving average of weights; 0 takes the last ones", ge=0, lt=1
    )
    freeze_encoder_stages: int = Field(2, description="first stages of the encoder that do not learn", ge=0)
    freeze_batch_norm: bool = Field(True, description="keep the statistics of the encoder's batch normalisation")
    skip_limit: int = Field(20, description="steps in a row with non-finite gradients after which training stops", ge=1)


class ObjectiveSettings(BaseModel):
    """Weights of the terms of the loss."""

    model_config = FROZEN

    depth: float = Field(1.0, description="absolute error of log depth", ge=0)
    depth_gradient: float = Field(
        0.5, description="absolute error of its differences between pixels, at four scales", ge=0
    )
    confidence: float = Field(0.1, description="likelihood of that error under the predicted spread", ge=0)
    prior: float = Field(0.3, description="absolute error of what a view alone says of log depth", ge=0)
    matching: float = Field(0.1, description="cross-entropy of the cost volume against the true plane", ge=0)
    tasks: dict[str, float] = Field(
        {"semantics": 0.15, "normals": 0.25, "boundaries": 2.0},
        description="weights of the other tasks' own losses; a task that is not named has its registered weight",
    )
    losses: dict[str, str] = Field(
        {},
        description="losses by name instead of the tasks' registered ones; for depth, of metres, instead of depth and "
        "depth_gradient: huber_gradient, scale_invariant_log",
    )
    depth_normals: float = Field(0.0, description="disagreement of normals with those of the predicted depth", ge=0)
    label_boundaries: float = Field(0.0, description="disagreement of boundaries with changes of the class", ge=0)
    consistency: Literal["corrected", "paper_literal"] = Field(
        "corrected", description="form of those two: with intrinsics and probabilities, or as M2H's paper has it"
    )
    balance_steps: int = Field(
        0, description="steps of an epoch of dynamic weight averaging between the tasks; 0: weights stay", ge=0
    )
    balance_temperature: float = Field(2.0, description="softness of dynamic weight averaging", gt=0)
    strides: dict[str, int] = Field(
        {"semantics": 2},
        description="tasks judged at every n-th pixel along rows and columns: many channels at full size are slow",
    )
    matching_every_view: bool = Field(True, description="the matching term counts all views of a sample")
    every_view: bool = Field(
        False, description="judge all views of a sample, as the paper does (Eq. 3), instead of its reference"
    )


class TrainingSettings(BaseModel):
    """One training."""

    model_config = FROZEN

    model: ModelSettings = ModelSettings(name="cvm-lite")
    tasks: tuple[str, ...] = Field(("depth", "semantics", "normals", "boundaries"), description="tasks to train")
    data: DataSettings = DataSettings()
    stages: tuple[Stage, ...] = Field(
        (Stage(), Stage(height=256, width=320)), description="one after the other", min_length=1
    )
    optimiser: OptimiserSettings = OptimiserSettings()
    objective: ObjectiveSettings = ObjectiveSettings()
    seed: int = Field(0, description="seed of weights and samples", ge=0)
    precision: Literal["bf16", "fp32"] = Field("bf16", description="of the network's products; losses are fp32")
    device: str = Field("auto", description="auto (CUDA where there is one), cpu, cuda, ...")
    channels_last: bool = Field(False, description="memory layout of convolutions; faster on CUDA")
    lanes: int = Field(
        1, description="passes of a step done at the same time, on a CPU with torch_threads=1; of `accumulate`", ge=1
    )
    torch_threads: int | None = Field(None, description="CPU threads of the network; none is PyTorch's choice", ge=1)
    checkpoint_minutes: float = Field(10.0, description="minutes between checkpoints", gt=0)
    keep_checkpoints: int = Field(2, description="checkpoints kept", ge=1)
    log_steps: int = Field(20, description="steps between lines of the log", ge=1)

    @model_validator(mode="after")
    def _depth_is_trained(self) -> TrainingSettings:
        if "depth" not in self.tasks:
            raise ValueError("tasks lack depth, which every network here predicts; add it")
        return self

    @property
    def total_steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> Stage:
        """The stage that a step, counted from 0, belongs to; the last one beyond the end."""
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        return self.stages[-1]
