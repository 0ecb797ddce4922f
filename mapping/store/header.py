"""The root attributes of a map, as data: what the map is and which groups count."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from streammtl.camera import Camera
from streammtl.views import ScaleStatus

LAYOUT_VERSION = 2
SCHEMA = "streammtl-map-2"
WORLD_FRAME = "OpenCV axes of the first posed camera (x right, y down, z forward); metres when scale.status is metric"


class _Record(BaseModel):
    """Unknown fields are kept, so that rewriting the root of a map with additions does not lose them."""

    model_config = ConfigDict(frozen=True, extra="allow")


class ScaleRecord(_Record):
    """The factor that brought the poses to metres, where it came from, and how well it is known."""

    status: ScaleStatus = ScaleStatus.UP_TO_SCALE
    value: float | None = None
    method: str = "none"
    interval: tuple[float, float] | None = None  # 95 %
    over_recording: float | None = None  # what all keyframes tell: metres in a unit of the map
    corrected: tuple[float, float] | None = None  # least and largest factor of lengths along the path, by the same
    along_path: tuple[float, float] | None = None  # least and largest ratio of fused depth to the poses: 1, no drift

    @field_validator("value", "interval", "over_recording", "corrected", "along_path")
    @classmethod
    def _unknown_when_not_finite(cls, value: float | tuple[float, float] | None) -> float | tuple[float, float] | None:
        return value if value is None or np.isfinite(value).all() else None


class LabelSpaceRecord(_Record):
    """The labels that ids stand for. Id 0 is 'no label'. Once written it stays."""

    name: str
    version: str = "1"
    ids: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    palette: tuple[tuple[int, int, int], ...] = ()  # RGB per id, for display only
    mappings: dict[str, tuple[int, ...]] = Field(default_factory=dict)  # other label space -> its id for each of `ids`


class CameraRecord(_Record):
    """The calibration that poses and depth were computed with; pixel centres at integers."""

    model: str
    width: int
    height: int
    params: tuple[float, ...]
    how: str = "given"  # given, estimated, from metadata
    focal_interval_px: tuple[float, float] | None = None  # 95 % of fx; None where it was given

    @classmethod
    def of(cls, camera: Camera, how: str) -> CameraRecord:
        return cls(model=camera.model, width=camera.width, height=camera.height, params=camera.params, how=how)

    def camera(self) -> Camera:
        return Camera(self.model, self.width, self.height, self.params)


class Provenance(_Record):
    """Where a map comes from. Times are ISO 8601 in UTC; the writer fills them in."""

    software: str = "streammtl"
    version: str = ""
    source: str = ""
    source_kind: str = ""
    camera: CameraRecord | None = None
    created: str = ""
    updated: str = ""
    hardware: dict[str, JsonValue] = Field(default_factory=dict)


class Progress(_Record):
    """How far the recording has been worked through at this commit."""

    next_frame: int = Field(0, ge=0)  # the cursor: frames below it are done
    frames_by_status: dict[str, int] = Field(default_factory=dict)
    dropped: int = Field(0, ge=0)  # frames a live run never looked at
    elapsed_s: float = Field(0.0, ge=0)  # processing time, summed over resumed runs
    complete: bool = False


class SubmapEntry(_Record):
    """What the root says of one submap; its anchor lives here alone."""

    group: str
    number: int = Field(ge=0)
    T_world_submap: list[list[float]]
    component: int = Field(ge=0)
    closed: bool
    blocks: int = Field(ge=0)
    frames: int = Field(ge=0)

    @property
    def anchor(self) -> np.ndarray:
        """T_world_submap as f64 [4,4]."""
        return np.array(self.T_world_submap, dtype=np.float64)

    @field_validator("T_world_submap")
    @classmethod
    def _rigid(cls, rows: list[list[float]]) -> list[list[float]]:
        if [len(row) for row in rows] != [4, 4, 4, 4] or not np.isfinite(rows).all() or rows[3] != [0, 0, 0, 1]:
            raise ValueError("an anchor is a finite 4x4 matrix that ends in the row 0 0 0 1")
        rotation = np.array(rows)[:3, :3]
        if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-4) or np.linalg.det(rotation) < 0:
            raise ValueError("an anchor must be a rotation and a translation, without scale or mirroring")
        return rows


class MapHeader(_Record):
    """Everything the root attribute `streammtl` holds.

    The caller fills the first part; the second, the pointers, belongs to the writer, which ignores what it is handed
    there.
    """

    voxel_size_m: float = Field(gt=0)
    truncation_m: float = Field(gt=0)
    world_frame: str = WORLD_FRAME
    scale: ScaleRecord = ScaleRecord()
    label_space: LabelSpaceRecord | None = None
    config: dict[str, JsonValue] = Field(default_factory=dict)
    provenance: Provenance = Provenance()
    progress: Progress = Progress()

    version: int = LAYOUT_VERSION
    schema_name: str = Field(SCHEMA, alias="schema")
    generation: int = Field(0, ge=0)  # counts commits
    submaps: tuple[SubmapEntry, ...] = ()
    keyframes: int = Field(0, ge=0)  # how many of the keyframes/ arrays' entries count
    state: str | None = None  # group with the arrays of each stage, for going on later
    trajectory: str | None = None  # derived groups; absent while the map is being written
    surface: str | None = None
    checksum: str = ""  # of all the above, put on when it is written

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)

    def entry(self, number: int) -> SubmapEntry | None:
        return next((entry for entry in self.submaps if entry.number == number), None)

    @property
    def components(self) -> int:
        """How many parts of the map are not connected by tracking."""
        return len({entry.component for entry in self.submaps})

    def to_attributes(self) -> dict[str, Any]:
        """The root attribute, ready for strict JSON."""
        return without_nan(self.model_dump(mode="json", by_alias=True))


def without_nan(value: Any) -> Any:
    """The same JSON value with NaN and infinities, which JSON lacks, as null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return value
