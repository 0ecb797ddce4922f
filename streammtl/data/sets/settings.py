"""Which data sets, and how much of each."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

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

    @field_validator("tasks")
    @classmethod
    def _tasks_exist(cls, tasks: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for task in tasks or ():
            task_spec(task)
        return tasks


DataSource = Path | tuple[DataSetSettings, ...]  # a folder of clips, or data sets
