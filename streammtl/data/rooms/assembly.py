"""Collects placed pieces and turns them into one mesh with a list of materials."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.piece import Piece
from streammtl.data.rooms.scene import Material, Mesh
from streammtl.data.rooms.shapes import Shape
from streammtl.data.rooms.textures.bank import Finish

# The unit box's faces: for each of FACES its four corners, counter-clockwise from outside, and the two axes uv follow.
_AXES = ((0, 1, 2), (0, 1, 2), (1, 0, 2), (1, 0, 2), (2, 0, 1), (2, 0, 1))


def _unit_box() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    corners, normals, uv = np.zeros((6, 4, 3)), np.zeros((6, 3)), np.zeros((6, 4, 2))
    for face, (axis, first, second) in enumerate(_AXES):
        side = 1.0 if face % 2 else -1.0
        normals[face, axis] = side
        # Seen from outside, u runs to the right and v up (for the top: v away from the front).
        right = side if axis == 0 else -side
        for k, (a, b) in enumerate(((-1, -1), (1, -1), (1, 1), (-1, 1))):
            corners[face, k, axis] = side
            corners[face, k, first] = a * (right if axis != 2 else -1.0)
            corners[face, k, second] = b if axis != 2 else -b
            uv[face, k] = (a, b)
    return corners, normals, uv


_CORNERS, _NORMALS, _UV = _unit_box()
_SPLIT = np.array([[0, 1, 2], [0, 2, 3]])


class Assembly:
    """A mesh being put together. Objects get instance ids in the order in which they are asked for."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.materials: list[Material] = []
        self._index: dict[int, int] = {}
        self._parts: list[Mesh] = []
        self._instances = 0

    def new_instance(self) -> int:
        """The next free instance id, from 1."""
        self._instances += 1
        return self._instances

    def material(self, material: Material) -> int:
        """Index of a material, which is kept alive so that its identity stays its own."""
        key = id(material)
        if key not in self._index:
            self._index[key] = len(self.materials)
            self.materials.append(material)
        return self._index[key]

    def put(self, piece: Piece, turn: np.ndarray, offset: np.ndarray, instance: int | None = None) -> int:
        """Adds a piece, rotated [3,3] and moved [3]; returns its instance id."""
        instance = self.new_instance() if instance is None else instance
        self._parts += self._parts_of(piece, turn, offset, instance)
        return instance

    def apart(self, piece: Piece, turn: np.ndarray, offset: np.ndarray) -> Mesh:
        """The mesh of a piece as an instance of its own that is not part of `mesh()`: for things that move."""
        return merged(self._parts_of(piece, turn, offset, self.new_instance()))

    def _parts_of(self, piece: Piece, turn: np.ndarray, offset: np.ndarray, instance: int) -> list[Mesh]:
        parts = [self._boxes(piece, turn, offset, instance)] if piece.centres else []
        parts += [self._patch(p.shape, p.finish, p.label, turn, offset, instance) for p in piece.patches]
        parts += [self._model(m, turn, offset, instance) for m in piece.models]
        return parts

    def mesh(self) -> Mesh:
        """Everything put so far."""
        return merged(self._parts)

    def _boxes(self, piece: Piece, turn: np.ndarray, offset: np.ndarray, instance: int) -> Mesh:
        axes = np.einsum("ij,njk->nik", turn, np.array(piece.axes))
        centres = np.array(piece.centres) @ turn.T + offset
        count = len(centres)
        corners = np.einsum("nij,fkj->nfki", axes, _CORNERS) + centres[:, None, None, :]
        half = np.linalg.norm(axes, axis=1)
        unit = axes / np.maximum(half[:, None, :], 1e-12)
        normals = np.einsum("nij,fj->nfi", unit, _NORMALS)
        repeat = np.array([[f.repeat_m or 0.0 for f in faces] for faces in piece.finishes])[:, :, None, None]
        first, second = half[:, [a[1] for a in _AXES]], half[:, [a[2] for a in _AXES]]
        extent = np.stack([first, second], axis=-1)[:, :, None, :]
        shift = self._rng.random((count, 1, 1, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            tiled = np.where(repeat > 0, _UV * extent / repeat, 0.0) + shift
        # Grain follows the longer side.
        tiled = np.where((second > first)[:, :, None, None], tiled[..., ::-1], tiled)
        uv = np.where(repeat > 0, tiled, 0.5 + 0.5 * _UV)
        material = np.array([[self.material(f.material) for f in faces] for faces in piece.finishes])
        return Mesh(
            corners[:, :, _SPLIT].reshape(-1, 3, 3).astype(np.float32),
            uv[:, :, _SPLIT].reshape(-1, 3, 2).astype(np.float32),
            np.repeat(normals.reshape(-1, 1, 3), 6, axis=1).reshape(-1, 3, 3).astype(np.float32),
            np.repeat(material.reshape(-1), 2).astype(np.int32),
            np.repeat(np.array(piece.labels, np.uint8), 12),
            np.full(count * 12, instance, np.int32),
        )

    def _patch(
        self, shape: Shape, finish: Finish, label: int, turn: np.ndarray, offset: np.ndarray, instance: int
    ) -> Mesh:
        count = len(shape.corners)
        uv = shape.uv if finish.repeat_m is None else shape.uv / finish.repeat_m + self._rng.random(2)
        return Mesh(
            (shape.corners @ turn.T + offset).astype(np.float32),
            uv.astype(np.float32),
            (shape.normals @ turn.T).astype(np.float32),
            np.full(count, self.material(finish.material), np.int32),
            np.full(count, label, np.uint8),
            np.full(count, instance, np.int32),
        )

    def _model(self, model: object, turn: np.ndarray, offset: np.ndarray, instance: int) -> Mesh:
        matrix = (turn @ model.turn).astype(np.float32)
        shift = (turn @ model.offset + offset).astype(np.float32)
        index = np.array([self.material(m) for m in model.materials], np.int32)
        return Mesh(
            model.corners @ matrix.T + shift,
            model.uv,
            model.normals @ matrix.T,
            index[model.material],
            model.label,
            np.full(len(model.corners), instance, np.int32),
        )


def merged(parts: list[Mesh]) -> Mesh:
    """All meshes as one; an empty list gives an empty mesh."""
    if not parts:
        none = np.zeros((0, 3, 3), np.float32)
        ids = np.zeros(0, np.int32)
        return Mesh(none, none[..., :2], none, ids, ids.astype(np.uint8), ids)
    names = ("corners", "uv", "normals", "material", "label", "instance")
    return Mesh(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
