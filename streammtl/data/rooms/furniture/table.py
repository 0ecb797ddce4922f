"""The checked table of furniture models: classes, placement, real sizes, licences. The models are fetched apart."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

TABLE = Path(__file__).with_name("models.csv")


@dataclass(frozen=True)
class Row:
    """One model. `size_m` is width, depth, height; `top_m` the height of the surface that takes things, or None."""

    uid: str
    name: str
    label: int
    part_labels: tuple[tuple[str, int], ...]
    placement: str  # floor, on_furniture, wall, ceiling, door_or_window
    rooms: tuple[str, ...]
    size_m: tuple[float, float, float]
    elevation_m: float
    top_m: float | None
    rotation: tuple[float, ...]
    archive: str
    obj_path: str
    triangles: int
    licence: str

    @property
    def file_name(self) -> str:
        """Name of the converted model."""
        return self.uid.replace("/", "_") + ".npz"


def _row(values: dict[str, str]) -> Row:
    height, top = float(values["height_m"]), values["drop_on_top_m"]
    parts = (item.split("=") for item in values["part_labels"].split(";") if item)
    return Row(
        uid=values["uid"],
        name=values["name"],
        label=int(values["nyu40_id"]),
        part_labels=tuple((name, int(label)) for name, label in parts),
        placement=values["placement"],
        rooms=tuple(values["rooms"].split(";")),
        size_m=(float(values["width_m"]), float(values["depth_m"]), height),
        elevation_m=float(values["elevation_m"] or 0.0),
        top_m=height if top == "" else None if float(top) < 0 else float(top),
        rotation=tuple(float(v) for v in values["model_rotation"].split()),
        archive=values["archive"],
        obj_path=values["obj_path"],
        triangles=int(values["triangles"]),
        licence=values["licence"],
    )


@lru_cache(maxsize=1)
def rows() -> tuple[Row, ...]:
    """All models that belong indoors."""
    with TABLE.open(newline="", encoding="utf-8") as stream:
        return tuple(_row(values) for values in csv.DictReader(stream))


def rotation_matrix(row: Row) -> np.ndarray:
    """f64 [3,3], applied to the file's vertices before they are measured."""
    return np.array(row.rotation).reshape(3, 3) if row.rotation else np.eye(3)
