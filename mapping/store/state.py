"""What the stages need to go on later: named arrays per stage, replaced as a whole at every commit."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import zarr

from mapping.store.arrays import read_array, write_array
from mapping.store.place import Place
from streammtl.errors import StoreError

StageStates = Mapping[str, Mapping[str, np.ndarray]]
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
            if np.asarray(array).dtype.kind not in "biufc":
                raise StoreError(
                    f"state {stage}/{name} has type {np.asarray(array).dtype}; only numbers and booleans can be kept."
                )


def write_state(root: zarr.Group, name: str, state: StageStates) -> None:
    """Writes state/<generation>/<stage>/<array>."""
    for stage, arrays in state.items():
        group = root.create_group(f"{name}/{stage}")
        for array_name, array in arrays.items():
            write_array(group, array_name, np.asarray(array))


def read_state(place: Place, root: zarr.Group, name: str | None) -> dict[str, dict[str, np.ndarray]]:
    """The arrays by stage and name; empty where the root names no state."""
    if name is None:
        return {}
    stages = root[name].groups()
    return {
        stage: {array: read_array(place, group, array) for array in sorted(group.array_keys())}
        for stage, group in stages
    }
