"""The merged surface as a derived group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import zarr

from mapping.store.arrays import RowWriter, read_array
from mapping.store.contract import check_group
from mapping.store.place import Place

if TYPE_CHECKING:
    from mapping.surface.mesh import Mesh

_ARRAYS = {
    "vertices": (np.float32, (3,)),
    "faces": (np.int32, (3,)),
    "normals": (np.float32, (3,)),
    "colours": (np.uint8, (3,)),
    "labels": (np.uint8, ()),
}


def write_surface_group(root: zarr.Group, name: str, pieces: Iterable[Mesh]) -> None:
    """Writes the pieces of a mesh, whose faces count vertices over all of them, one in memory at a time."""
    group = root.create_group(name)
    writers = {array: RowWriter(group, array, dtype, width) for array, (dtype, width) in _ARRAYS.items()}
    for piece in pieces:
        for array, writer in writers.items():
            writer.append(getattr(piece, array))
    for writer in writers.values():
        writer.close()


def read_surface_group(place: Place, root: zarr.Group, name: str) -> Mesh:
    from mapping.surface.mesh import Mesh

    group = root[name]
    check_group(place, group, "surface", {})
    return Mesh(**{array: read_array(place, group, array) for array in _ARRAYS})
