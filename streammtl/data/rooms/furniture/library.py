"""Converted furniture models, loaded when they are needed."""

from __future__ import annotations

import zipfile
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from streammtl.data.rooms.furniture import table
from streammtl.data.rooms.furniture.convert import MOST_LARGE
from streammtl.data.rooms.furniture.table import Row
from streammtl.data.rooms.scene import Material
from streammtl.data.rooms.textures import colours
from streammtl.errors import DataError


@dataclass(frozen=True)
class Model:
    """A model in the frame of a piece: world = turn @ local + offset. Shapes as in Mesh; `metres` [k] tells of which
    materials the uv are in metres."""

    corners: np.ndarray
    uv: np.ndarray
    normals: np.ndarray
    material: np.ndarray
    label: np.ndarray
    materials: tuple[Material, ...]
    metres: np.ndarray
    turn: np.ndarray
    offset: np.ndarray

    def moved(self, turn: np.ndarray, offset: np.ndarray) -> Model:
        """The model turned and moved once more."""
        return replace(self, turn=turn @ self.turn, offset=turn @ self.offset + offset)


class FurnitureLibrary:
    """The models of a folder that `python -m streammtl.data.rooms.furniture` filled; some stay in memory."""

    def __init__(self, folder: Path, only_cc0: bool = False, keep: int = 300) -> None:
        """`only_cc0` leaves out models that ask for credit. Raises: DataError for a folder without models."""
        self.folder, self.only_cc0, self._keep = Path(folder), only_cc0, keep
        self.rows = tuple(
            row
            for row in table.rows()
            if (row.licence == "CC0-1.0" or not only_cc0) and (self.folder / row.file_name).exists()
        )
        if not self.rows:
            raise DataError(
                f"{folder} holds no furniture models; fill it with "
                "`python -m streammtl.data.rooms.furniture --out FOLDER`, or build rooms without furniture."
            )
        self._loaded: OrderedDict[str, Model] = OrderedDict()
        self._fitting: dict[tuple, list[Row]] = {}

    def choose(
        self,
        rng: np.random.Generator,
        placement: str,
        room: str,
        labels: Collection[int] = (),
        largest: tuple[float, float, float] = (9.0, 9.0, 9.0),
        most_triangles: int = 1 << 30,
        names: Collection[str] = (),
    ) -> Row | None:
        """Any model that fits by placement, room, label, size, a word of its name (empty: any)."""
        asked = (placement, room, tuple(labels), largest, tuple(names))
        if asked not in self._fitting:
            self._fitting[asked] = [
                row
                for row in self.rows
                if row.placement == placement
                and (not labels or row.label in labels)
                and (not names or any(name in row.name.lower() for name in names))
                and (room in row.rooms or "any" in row.rooms or room == "any")
                and all(a <= b for a, b in zip(row.size_m, largest, strict=True))
            ]
        fitting = [row for row in self._fitting[asked] if min(row.triangles, MOST_LARGE) <= most_triangles]
        return fitting[int(rng.integers(len(fitting)))] if fitting else None

    def model(self, row: Row) -> Model:
        """The model, from memory or its file. Raises: DataError for a damaged file."""
        if row.uid in self._loaded:
            self._loaded.move_to_end(row.uid)
            return self._loaded[row.uid]
        loaded = _load(self.folder / row.file_name)
        self._loaded[row.uid] = loaded
        if len(self._loaded) > self._keep:
            self._loaded.popitem(last=False)
        return loaded


def _load(file: Path) -> Model:
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        materials = []
        for k, (colour, shine) in enumerate(zip(arrays["colour"], arrays["shine"], strict=True)):
            picture = arrays.get(f"texture_{k}")
            tint = (1.0, 1.0, 1.0) if picture is not None else colours.to_linear(colour)
            materials.append(Material(tint, picture, 0.02 + 0.15 * float(min(shine, 1.0)), 30.0))
        return Model(
            arrays["corners"],
            arrays["uv"],
            arrays["normals"].astype(np.float32) / 127,
            arrays["material"].astype(np.int32),
            arrays["label"],
            tuple(materials),
            ~arrays["textured"],
            np.eye(3),
            np.zeros(3),
        )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{file} is not a readable furniture model ({error}); delete it and convert again.") from error
