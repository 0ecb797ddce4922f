"""The merged surface as a derived group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import zarr

from mapping.store.arrays import read_array, write_array
from mapping.store.contract import check_group
from mapping.store.place import Place

if TYPE_CHECKING:
    from mapping.surface.mesh import Mesh

_TYPES = {"vertices": np.float32, "faces": np.int32, "normals": np.float32, "colours": np.uint8, "labels": np.uint8}


def write_surface_group(root: zarr.Group, name: str, mesh: Mesh) -> None:
    group = root.create_group(name)
    for array, dtype in _TYPES.items():
        write_array(group, array, np.ascontiguousarray(getattr(mesh, array), dtype=dtype))


def read_surface_group(place: Place, root: zarr.Group, name: str) -> Mesh:
    from mapping.surface.mesh import Mesh

    group = root[name]
    check_group(place, group, "surface", {})
    return Mesh(**{array: read_array(place, group, array) for array in _TYPES})
