"""Where a room's things come from: furniture models where there are some, plain shapes otherwise."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.furniture.library import FurnitureLibrary, Model
from streammtl.data.rooms.furniture.table import Row
from streammtl.data.rooms.piece import Piece, Top
from streammtl.data.rooms.pieces import small
from streammtl.data.rooms.style import Style
from streammtl.data.rooms.textures import colours
from streammtl.data.rooms.textures.bank import covering

Maker = Callable[[np.random.Generator, Style], Piece]
CARRIERS = (
    Label.TABLE,
    Label.DESK,
    Label.CABINET,
    Label.DRESSER,
    Label.NIGHT_STAND,
    Label.COUNTER,
    Label.OTHER_FURNITURE,
    Label.BED,
)
FILMED = (*CARRIERS, Label.SHELVES, Label.BOOKSHELF, Label.SOFA, Label.BATHTUB, Label.SINK, Label.TELEVISION)
# Finishes that may cover a model's plain colours.
COVERS = {
    Label.CHAIR: ("cloth", "wood", "leather"),
    Label.SOFA: ("cloth", "leather"),
    Label.OTHER_PROP: ("speckle", "metal"),
}
WOODEN = ("wood", "wood", "speckle", "metal")
MODEL_SHARE = 0.6


class Supply:
    """Makes things for one room. Models stop when `triangles` are used up."""

    def __init__(
        self,
        rng: np.random.Generator,
        style: Style,
        library: FurnitureLibrary | None,
        room: str,
        triangles: int = 90_000,
    ) -> None:
        self.rng, self.style, self.library, self.room, self.left = rng, style, library, room, triangles

    def of(
        self,
        make: Maker,
        labels: Collection[int],
        placement: str = "floor",
        largest: tuple[float, float, float] = (9.0, 9.0, 9.0),
        share: float = MODEL_SHARE,
        names: Collection[str] = (),
        most: int = 1 << 30,
    ) -> Piece:
        """A model with one of the labels (and one of the words in its name), or what `make` makes."""
        if self.rng.random() < share:
            piece = self.model(labels, placement, largest, names, most)
            if piece is not None:
                return piece
        return make(self.rng, self.style)

    def model(
        self,
        labels: Collection[int],
        placement: str = "floor",
        largest: tuple[float, float, float] = (9.0, 9.0, 9.0),
        names: Collection[str] = (),
        most: int = 1 << 30,
    ) -> Piece | None:
        """A model of at most so many triangles, dressed for this room; None when none fits or the budget is spent."""
        if self.library is None or self.left <= 0:
            return None
        row = self.library.choose(self.rng, placement, self.room, labels, largest, min(self.left, most), names)
        return None if row is None else self._dressed(row, self.library.model(row))

    def _dressed(self, row: Row, model: Model) -> Piece:
        """A piece of one model, a little larger or smaller than in the table, in colours of its own."""
        rng = self.rng
        self.left -= len(model.corners)
        scale = float(rng.uniform(0.94, 1.06))
        repeat = np.ones(len(model.materials), np.float32)
        materials = list(model.materials)
        recolour = rng.random() < 0.5
        for k, material in enumerate(materials):
            if not model.metres[k]:
                gain = np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.05, 3))
                tint = tuple(float(c) for c in np.minimum(gain, 1.4))
                materials[k] = replace(material, colour=tint)
            elif rng.random() < 0.7:
                colour = colours.thing(rng) if recolour and rng.random() < 0.6 else material.colour
                finish = covering(rng, str(rng.choice(COVERS.get(row.label, WOODEN))), colour)
                materials[k], repeat[k] = finish.material, finish.repeat_m
        factor = np.where(model.metres, scale / repeat, 1.0).astype(np.float32)
        dressed = replace(
            model,
            corners=model.corners * np.float32(scale),
            uv=model.uv * factor[model.material][:, None, None],
            materials=tuple(materials),
        )
        size = tuple(scale * s for s in row.size_m)
        piece = Piece(size, row.label, models=[dressed])
        if row.label in (Label.BOOKSHELF, Label.SHELVES):
            piece.tops += boards_of(dressed, size)
        elif row.label in CARRIERS and row.top_m is not None:
            piece.tops += carrying(dressed, row.top_m * scale, size)
        if row.label in FILMED:
            level = row.top_m * scale if row.top_m else size[2]
            piece.focus.append((0.0, size[1] / 2, min(level, 1.3)))
        return piece

    def small(self, choice: dict[small.Maker, float], share: float = 0.5) -> Piece:
        """A small thing to stand on something."""
        if self.rng.random() < share:
            piece = self.model((), "on_furniture", (0.5, 0.5, 0.6))
            if piece is not None:
                return piece
        return small.any_small(self.rng, choice)

    def chance(self, share: float) -> bool:
        """True with a probability."""
        return bool(self.rng.random() < share)

    def count(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return int(self.rng.integers(low, high + 1))


def carrying(model: Model, level: float, size: tuple[float, float, float]) -> list[Top]:
    """The level rectangle of a model at a height: smaller where the surface is round or has holes."""
    corners = model.corners
    near = (np.abs(corners[..., 2] - level) < 0.02).all(axis=1)
    if not near.any():
        return []
    flat = corners[near][..., :2]
    u, v = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    area = 0.5 * float(np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]).sum())
    low, high = flat.min(axis=(0, 1)), flat.max(axis=(0, 1))
    filled = min(1.0, area / max(float(np.prod(high - low)), 1e-9))
    if filled < 0.55:
        return []
    half = 0.5 * (high - low) * (0.98 if filled > 0.9 else 0.78 * np.sqrt(filled))
    middle = 0.5 * (low + high)
    start, stop = middle - half, middle + half
    return [Top((float(start[0]), float(start[1])), (float(stop[0]), float(stop[1])), level, max(0.3, 2.3 - level))]


def boards_of(model: Model, size: tuple[float, float, float]) -> list[Top]:
    """The boards of an open shelf: level surfaces over most of its width, each with the height up to the next."""
    corners = model.corners
    u, v = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    flat = np.ptp(corners[..., 2], axis=1) < 0.004
    area = 0.5 * np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]) * flat
    bins = np.bincount(np.clip(corners[:, 0, 2] / 0.01, 0, None).astype(int), area)
    levels = np.flatnonzero(bins > 0.45 * size[0] * size[1]) * 0.01
    # A board shows its lower and its upper side: the upper one counts.
    uppers = [z for z, above in zip(levels, [*levels[1:], 9.0], strict=True) if above - z > 0.05]
    tops = []
    for z, above in zip(uppers, [*uppers[1:], size[2] + 0.4], strict=True):
        tops += [Top(t.low, t.high, t.z, above - z - 0.05) for t in carrying(model, z + 0.005, size)]
    return tops
