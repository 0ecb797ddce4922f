"""Collects placed pieces and turns them into one mesh with a list of materials."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.packing import pack
from streammtl.data.rooms.piece import Piece
from streammtl.data.rooms.scene import Material, Mesh


class Assembly:
    """A mesh being put together. Objects get instance ids from 1 in the order in which they come."""

    def __init__(self) -> None:
        self.materials: list[Material] = []
        self._index: dict[int, int] = {}
        self._parts: list[Mesh] = []
        self._instances = 0

    def put(self, piece: Piece, turn: np.ndarray, offset: np.ndarray) -> None:
        """Adds a piece as an instance of its own, rotated [3,3] and moved [3]."""
        self._parts.append(self.apart(piece, turn, offset))

    def apart(self, piece: Piece, turn: np.ndarray, offset: np.ndarray) -> Mesh:
        """The mesh of a piece as an instance of its own that is not part of `mesh()`: for things that move."""
        self._instances += 1
        soup, matrix = pack(piece), turn.T.astype(np.float32)
        index = np.array([self._number(material) for material in soup.materials], np.int32)
        return Mesh(
            soup.corners @ matrix + offset.astype(np.float32),
            soup.uv,
            soup.normals @ matrix,
            index[soup.material],
            soup.label,
            np.full(len(soup.corners), self._instances, np.int32),
        )

    def mesh(self) -> Mesh:
        """Everything put so far."""
        names = ("corners", "uv", "normals", "material", "label", "instance")
        return Mesh(*(np.concatenate([getattr(part, name) for part in self._parts]) for name in names))

    def _number(self, material: Material) -> int:
        """Index of a material, which is kept alive so that its identity stays its own."""
        key = id(material)
        if key not in self._index:
            self._index[key] = len(self.materials)
            self.materials.append(material)
        return self._index[key]
