"""The surface of a whole map, of which only a part is in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mapping.query.world_blocks import WorldBlocks
from mapping.records import BLOCK_SIZE, Blocks
from mapping.surface.mesh import Mesh, extract_mesh

if TYPE_CHECKING:
    from mapping.store.reader import MapReader

AT_ONCE = 16384  # blocks whose voxels are in memory together, a few beside them included
OF_ANOTHER_SUBMAP = 0.5  # of the memory for a block of one submap: what each further submap that holds it takes


def map_mesh(reader: MapReader, component: int | None = None) -> Mesh:
    """The mesh of a map, or of one component, in the world frame.

    Submaps are merged within a component only: where tracking was lost in between, nothing says how two surfaces lie to
    each other, so they stay apart.
    """
    return _concatenated(list(surface_pieces(reader, component)))


def surface_pieces(reader: MapReader, component: int | None = None, at_once: int = AT_ONCE) -> Iterator[Mesh]:
    """The same mesh piece by piece, slabs of the world along x: each brings new vertices and the faces between these
    and older ones, so that faces count vertices over all pieces.

    Voxels of about `at_once` blocks are in memory at a time, of fewer where submaps overlap: all of them are read.
    """
    count = 0
    for wanted in sorted({entry.component for entry in reader.header.submaps}):
        if component not in (None, wanted):
            continue
        world = WorldBlocks(reader, wanted)
        border = _Border()
        taken = 1 + OF_ANOTHER_SUBMAP * (world.holders - 1)
        for low, high in _slabs(world.coordinates[:, 0], taken, at_once):
            piece = border.sewn(_slab_mesh(world, low, high), count, high * BLOCK_SIZE * world.voxel_size_m)
            count += len(piece.vertices)
            yield piece


def _slabs(x: np.ndarray, taken: np.ndarray, at_once: int) -> Iterator[tuple[int, int]]:
    """Layers [low, high) of blocks, each slab with blocks that take at most `at_once` together with those of the
    layers that its mesh needs beside it, or one layer."""
    if not len(x):
        return
    layers = np.bincount(x - x.min(), taken)
    before = np.concatenate([[0], np.cumsum(layers)])
    low = 0
    while low < len(layers):
        fits = before[np.minimum(np.arange(low + 1, len(layers) + 1) + 1, len(layers))] - before[max(low - 1, 0)]
        high = low + max(1, int(np.searchsorted(fits, at_once, side="right")))
        yield int(x.min()) + low, int(x.min()) + high
        low = high


def _slab_mesh(world: WorldBlocks, low: int, high: int) -> Mesh:
    """The mesh of the cells that start in layers low … high - 1; normals and labels count the cells around too."""
    x = world.coordinates[:, 0]
    _, blocks = world.read(np.flatnonzero((x >= low - 1) & (x <= high)), others=False)
    order = np.lexsort(blocks.index.T[::-1])
    blocks = Blocks(*(array[order] for array in vars(blocks).values()))
    own = (blocks.index[:, 0] >= low) & (blocks.index[:, 0] < high)
    return extract_mesh(blocks, world.voxel_size_m, kept=own)


class _Border:
    """Vertices in the plane between a slab and the next, which has them again, to the last bit."""

    def __init__(self) -> None:
        self._x, self._keys, self._numbers = np.nan, np.zeros(0, np.int64), np.zeros(0, np.int64)

    def sewn(self, piece: Mesh, first: int, end_m: float) -> Mesh:
        """The piece without the vertices that the slab before has, its own counted from `first`. It ends at `end_m`."""
        keys = np.ascontiguousarray(piece.vertices[:, 1:]).view(np.int64).ravel()  # y and z, bit by bit
        numbers = np.full(len(keys), -1, np.int64)
        start = np.flatnonzero(piece.vertices[:, 0] == np.float32(self._x))
        place = np.searchsorted(self._keys, keys[start]).clip(max=max(len(self._keys) - 1, 0))
        known = self._keys[place] == keys[start] if len(self._keys) else np.zeros(len(start), bool)
        numbers[start[known]] = self._numbers[place[known]]
        new = numbers < 0
        numbers[new] = first + np.arange(np.count_nonzero(new))
        end = np.flatnonzero(piece.vertices[:, 0] == np.float32(end_m))
        end = end[np.argsort(keys[end])]
        self._x, self._keys, self._numbers = end_m, keys[end], numbers[end]
        per_vertex = {name: array[new] for name, array in vars(piece).items() if name != "faces"}
        return replace(piece, faces=numbers[piece.faces].astype(np.int32), **per_vertex)


def join(meshes: list[Mesh]) -> Mesh:
    """One mesh of several, side by side."""
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])[:-1]
    return _concatenated(
        [replace(mesh, faces=mesh.faces + np.int32(start)) for mesh, start in zip(meshes, starts, strict=True)]
    )


def _concatenated(pieces: Iterable[Mesh]) -> Mesh:
    """One mesh of pieces whose faces count vertices over all of them."""
    pieces = [_NOTHING, *pieces]
    arrays = {name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in _ARRAYS}
    sure = [piece.label_confidence for piece in pieces]
    return Mesh(**arrays, label_confidence=None if any(values is None for values in sure) else np.concatenate(sure))


_ARRAYS = ("vertices", "faces", "normals", "colours", "labels")
_NOTHING = Mesh(
    vertices=np.zeros((0, 3), np.float32),
    faces=np.zeros((0, 3), np.int32),
    normals=np.zeros((0, 3), np.float32),
    colours=np.zeros((0, 3), np.uint8),
    labels=np.zeros(0, np.uint8),
    label_confidence=np.zeros(0, np.float32),
)
