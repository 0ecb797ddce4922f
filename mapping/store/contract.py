"""The published schema (schema.json): which arrays a group must hold, of which type and shape."""

from __future__ import annotations

import json
import math
import warnings
from importlib.resources import files
from typing import Any

import numpy as np
import zarr
from zarr.errors import ZarrUserWarning

from mapping.store.damage import damaged, first_line
from mapping.store.place import Place

MAX_FILE_BYTES = 1 << 30
_SCHEMA: dict[str, Any] = json.loads(files("mapping.store").joinpath("schema.json").read_text(encoding="utf-8"))


def published_schema() -> dict[str, Any]:
    """JSON Schema of the root attributes; its `x-groups` member lists the arrays of every kind of group."""
    return _SCHEMA


GROWING = "K"  # keyframe arrays may be longer than the root counts: an unfinished commit lengthened some


Member = zarr.Array | zarr.Group | str  # what a group holds under a name, or what is wrong with it


def members_of(group: zarr.Group, kind: str) -> dict[str, Member]:
    """The arrays that the schema asks for, opened together: one by one takes several times as long.

    Those that it calls optional are left out where they are missing.
    """
    names = _SCHEMA["x-groups"][kind]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ZarrUserWarning)  # of what a killed writer left beside them
            found: dict[str, Member] = dict(group.members())
    except (KeyError, ValueError, TypeError, OSError):  # at least one is damaged
        found = {name: _member(group, name) for name in names}
    members = {name: found.get(name, _missing(group, name)) for name in names}
    return {name: m for name, m in members.items() if "optional" not in names[name] or m != _missing(group, name)}


def _missing(group: zarr.Group, name: str) -> str:
    return f"{group.path}/{name} is missing"


def _member(group: zarr.Group, name: str) -> Member:
    try:
        return group[name]
    except KeyError:
        return _missing(group, name)
    except (ValueError, TypeError, OSError) as error:
        return f"{group.path}/{name} is damaged: {first_line(error)}"


def group_problems(members: dict[str, Member], kind: str, sizes: dict[str, int]) -> list[str]:
    """Where the arrays of a group depart from the schema, judged by their metadata alone.

    `sizes` gives the lengths already known, by the letters of schema.json; other letters are bound by the first array.
    """
    problems: list[str] = []
    bound = dict(sizes)
    for name, array in members.items():
        expected = _SCHEMA["x-groups"][kind][name]
        if isinstance(array, str):
            problems.append(array)
            continue
        if not isinstance(array, zarr.Array):
            problems.append(f"{array.path} is a group, expected an array")
            continue
        allowed = expected["dtype"] if isinstance(expected["dtype"], list) else [expected["dtype"]]
        if _dtype_name(array) not in allowed:
            problems.append(f"{array.path} has type {_dtype_name(array)}, expected {' or '.join(allowed)}")
        problems += _shape_problems(array, expected["shape"], bound)
    return problems


def _dtype_name(array: zarr.Array) -> str:
    return "string" if np.dtype(array.dtype).kind in "TO" else str(array.dtype)


def _shape_problems(array: zarr.Array, expected: list[int | str], bound: dict[str, int]) -> list[str]:
    if len(array.shape) != len(expected):
        return [f"{array.path} has shape {array.shape}, expected {len(expected)} axes {expected}"]
    problems = []
    for got, want in zip(array.shape, expected, strict=True):
        if isinstance(want, str):
            limit = _SCHEMA["x-limits"][want]
            if got > limit:
                problems.append(f"{array.path} has length {got} along {want}, more than {limit}, which no map needs")
            if want == GROWING and got >= bound[want]:
                continue
            want = bound.setdefault(want, got)
        if got != want:
            problems.append(f"{array.path} has shape {array.shape}, expected {want} where it has {got}")
    outer = array.shards or array.chunks
    if math.prod(outer) * np.dtype(array.dtype).itemsize > MAX_FILE_BYTES:
        problems.append(
            f"{array.path} has chunks of {outer}, more than {MAX_FILE_BYTES} bytes each, which no map needs"
        )
    return problems


def check_group(place: Place, group: zarr.Group, kind: str, sizes: dict[str, int]) -> None:
    """Raises StoreError with the first departure from the schema, before anything large is read."""
    for problem in group_problems(members_of(group, kind), kind, sizes):
        raise damaged(place, problem)
