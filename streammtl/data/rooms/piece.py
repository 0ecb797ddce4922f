"""One object in its own frame: boxes and soups with finishes and labels, and the places where things may stand on it.

Own frame: x to the left of someone looking at the front, y towards the front, z up, the back at y = 0 and the base at
z = 0; centred in x.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from streammtl.data.rooms.shapes import Shape, rod, upright_to
from streammtl.data.rooms.textures.bank import Finish

FACES = ("left", "right", "back", "front", "bottom", "top")  # -x, +x, -y, +y, -z, +z


@dataclass(frozen=True)
class Top:
    """A level rectangle that takes other things: own frame of its piece, metres; `clear` is the free height above."""

    low: tuple[float, float]
    high: tuple[float, float]
    z: float
    clear: float = 1.0


@dataclass(frozen=True)
class Patch:
    """A soup of one finish and label, already in the piece's frame; uv in metres or 0..1 as its finish asks."""

    shape: Shape
    finish: Finish
    label: int


@dataclass
class Piece:
    """A thing to be placed. `size` is width, depth, height of its bounding box as it stands."""

    size: tuple[float, float, float]
    label: int
    tops: list[Top] = field(default_factory=list)
    focus: list[tuple[float, float, float]] = field(default_factory=list)  # what people film of it
    centres: list[np.ndarray] = field(default_factory=list)
    axes: list[np.ndarray] = field(default_factory=list)  # columns: half extents times rotation
    finishes: list[tuple[Finish, ...]] = field(default_factory=list)  # one for each of FACES
    labels: list[int] = field(default_factory=list)
    patches: list[Patch] = field(default_factory=list)
    models: list[object] = field(default_factory=list)  # furniture models, sized and turned to this frame
    packed: object | None = None  # what packing.pack made of it

    def box(
        self,
        low: tuple[float, float, float],
        high: tuple[float, float, float],
        finish: Finish,
        label: int | None = None,
        turn: np.ndarray | None = None,
        **faces: Finish,
    ) -> None:
        """A box between two corners; `turn` [3,3] rotates it about its centre; named faces get their own finish."""
        low_, high_ = np.array(low, np.float64), np.array(high, np.float64)
        half = np.diag(0.5 * np.abs(high_ - low_))
        self.centres.append(0.5 * (low_ + high_))
        self.axes.append(half if turn is None else turn @ half)
        self.finishes.append(tuple(faces.get(name, finish) for name in FACES))
        self.labels.append(self.label if label is None else label)

    def bar(self, start: tuple, end: tuple, width: float, finish: Finish, label: int | None = None) -> None:
        """A square bar between two points."""
        a, b = np.array(start, np.float64), np.array(end, np.float64)
        length = float(np.linalg.norm(b - a))
        low = 0.5 * (a + b) - (width / 2, width / 2, length / 2)
        high = 0.5 * (a + b) + (width / 2, width / 2, length / 2)
        self.box(tuple(low), tuple(high), finish, label, upright_to((b - a) / max(length, 1e-9)))

    def pole(self, start: tuple, end: tuple, radius: float, finish: Finish, label: int | None = None) -> None:
        """A round bar between two points."""
        a, b = np.array(start, np.float64), np.array(end, np.float64)
        length = float(np.linalg.norm(b - a))
        self.add(
            rod(1.0, 1.0, sides=10),
            finish,
            label,
            scale=(radius, radius, length),
            at=a,
            turn=upright_to((b - a) / length),
        )

    def add(
        self,
        shape: Shape,
        finish: Finish,
        label: int | None = None,
        at: tuple | np.ndarray = (0.0, 0.0, 0.0),
        scale: tuple[float, float, float] | float = 1.0,
        turn: np.ndarray | None = None,
    ) -> None:
        """A soup, scaled, then turned, then moved. Coordinates in metres grow with the scale."""
        factor = np.broadcast_to(np.asarray(scale, np.float64), 3)
        matrix = np.diag(factor) if turn is None else turn @ np.diag(factor)
        inverse = np.diag(1.0 / factor) if turn is None else turn @ np.diag(1.0 / factor)
        normals = shape.normals @ inverse.T
        normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-30)
        uv = shape.uv if finish.repeat_m is None else shape.uv * float(np.median(factor))
        placed = Shape(shape.corners @ matrix.T + np.asarray(at, np.float64), normals, uv)
        self.patches.append(Patch(placed, finish, self.label if label is None else label))

    def merge(self, other: Piece, at: tuple[float, float, float], yaw: float = 0.0) -> None:
        """Takes over everything of another piece, turned about its own origin and moved; its tops are not kept."""
        turn, offset = rotation_z(yaw), np.array(at, np.float64)
        self.centres += [turn @ c + offset for c in other.centres]
        self.axes += [turn @ a for a in other.axes]
        self.finishes += other.finishes
        self.labels += other.labels
        for patch in other.patches:
            shape = Shape(patch.shape.corners @ turn.T + offset, patch.shape.normals @ turn.T, patch.shape.uv)
            self.patches.append(Patch(shape, patch.finish, patch.label))
        self.models += [model.moved(turn, offset) for model in other.models]


def rotation_z(yaw: float) -> np.ndarray:
    """Counter-clockwise from above, [3,3]."""
    c, s = float(np.cos(yaw)), float(np.sin(yaw))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def rotation_x(angle: float) -> np.ndarray:
    """Right-handed about x, [3,3]; positive lifts the front (+y)."""
    c, s = float(np.cos(angle)), float(np.sin(angle))
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
