"""Which data sets, and how much of each."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from streammtl.tasks.registry import task_spec

CLIPS = "clips"


class DataSetSettings(BaseModel):
    """One data set of a mixture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(CLIPS, description="data set: clips, or one of those that pipelines.data_sets reads")
    root: Path = Field(description="folder that holds it, in its own layout")
    split: str = Field("train", description="part of it, as the data set names its parts")
    share: float = Field(1.0, description="how often it is drawn, next to the shares of the others", gt=0)
    far_m: float | None = Field(None, description="depths beyond are not labels, metres; none: all are", gt=0)
    tasks: tuple[str, ...] | None = Field(None, description="tasks whose labels are taken from it; none: all it has")
    rare_below: float = Field(
        0.0,
        description="clips alone: those with a class that less than this share of them shows are drawn more often",
        ge=0,
        le=1,
    )

    @field_validator("tasks")
    @classmethod
    def _tasks_exist(cls, tasks: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for task in tasks or ():
            task_spec(task)
        return tasks

    @model_validator(mode="after")
    def _rare_classes_of_clips(self) -> DataSetSettings:
        if self.rare_below and self.name != CLIPS:
            raise ValueError(f"rare_below is for clips, not for {self.name}; leave it out")
        return self


DataSource = Path | tuple[DataSetSettings, ...]  # a folder of clips, or data sets
