"""What the stages need to go on later: named arrays per stage, replaced as a whole at every commit."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

import numpy as np
import zarr

from mapping.store.arrays import read_array, write_array
from mapping.store.damage import damaged, reading
from mapping.store.place import Place
from streammtl.errors import StoreError

StageStates = Mapping[str, Mapping[str, np.ndarray]]
_LAYOUT, _VALUES = "layout", "values"
_KINDS = "biufc"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


def check_state(state: StageStates) -> None:
    """Raises StoreError for names that cannot be folders and for arrays that are not plain numbers."""
    for stage, arrays in state.items():
        for name, array in arrays.items():
            for part in (stage, name):
                if not _NAME.fullmatch(part) or part == "zarr.json":
                    raise StoreError(
                        f"state of stage {stage!r}: {part!r} is no name for an array; use letters, digits, '_', "
                        "'-' and '.'."
                    )
            if np.asarray(array).dtype.kind not in _KINDS:
                raise StoreError(
                    f"state {stage}/{name} has type {np.asarray(array).dtype}; only numbers and booleans can be kept."
                )


def write_state(root: zarr.Group, name: str, state: StageStates) -> None:
    """Writes state/<generation>/<stage>/ with the bytes of all arrays, one after the other, and a layout: JSON, a name,
    a type and a shape for each. As Zarr arrays of their own, a hundred small ones would take half a second."""
    for stage, arrays in state.items():
        group = root.create_group(f"{name}/{stage}")
        plain = {array_name: np.asarray(array) for array_name, array in arrays.items()}
        layout = json.dumps([[array_name, array.dtype.str, array.shape] for array_name, array in plain.items()])
        write_array(group, _LAYOUT, np.frombuffer(layout.encode(), np.uint8))
        write_array(group, _VALUES, np.frombuffer(b"".join(array.tobytes() for array in plain.values()), np.uint8))


def read_state(place: Place, root: zarr.Group, name: str | None) -> dict[str, dict[str, np.ndarray]]:
    """The arrays by stage and name; empty where the root names no state."""
    if name is None:
        return {}
    return {stage: _read_stage(place, group) for stage, group in root[name].groups()}


def _read_stage(place: Place, group: zarr.Group) -> dict[str, np.ndarray]:
    if _LAYOUT not in group:  # an older version wrote every array as one of Zarr's
        return {array: read_array(place, group, array) for array in sorted(group.array_keys())}
    values, at, arrays = read_array(place, group, _VALUES).tobytes(), 0, {}
    with reading(place, f"{group.path}/{_LAYOUT}"):
        for array_name, kind, shape in json.loads(read_array(place, group, _LAYOUT).tobytes()):
            dtype, count = np.dtype(str(kind)), math.prod(shape)
            if dtype.kind not in _KINDS or min(shape, default=0) < 0:
                raise damaged(place, f"{group.path} holds {array_name!r} of type {kind} and shape {shape}")
            arrays[array_name] = np.frombuffer(values, dtype, count, at).reshape(shape).copy()
            at += count * dtype.itemsize
    if at != len(values):
        raise damaged(place, f"{group.path}/{_VALUES} has {len(values)} bytes where its layout says {at}")
    return arrays
