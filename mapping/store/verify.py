"""Reads a whole map, byte by byte, and says what is damaged and what is good."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zarr

from mapping.store import keyframes as keyframe_arrays
from mapping.store.arrays import has_checksums
from mapping.store.consistency import consistency_problems
from mapping.store.damage import DAMAGE, first_line
from mapping.store.header import MapHeader
from mapping.store.labels import GROUP as LABELS_GROUP
from mapping.store.litter import unnamed
from mapping.store.place import ROOT, SPARE, Place, place_of
from mapping.store.root import parse_header, read_document
from mapping.store.validate import Problem, content_problems, root_problems
from streammtl.errors import StoreError


@dataclass(frozen=True)
class Verification:
    """What a look at every byte of a map found."""

    map: str
    header: MapHeader | None  # of the root that can be trusted: its own or the spare one
    at_spare_root: bool
    problems: tuple[Problem, ...]
    leftovers: tuple[str, ...]  # of a crash; harmless, the next writer removes them
    arrays: int
    arrays_without_checksum: int  # there a flipped byte may pass for data

    @property
    def sound(self) -> bool:
        return not self.problems

    def lost(self, part: str) -> set[int | None]:
        """Numbers of the submaps or keyframes of which this part is damaged."""
        return {problem.number for problem in self.problems if problem.part == part}

    def good(self) -> dict[str, Any]:
        """What can still be read, by kind."""
        if self.header is None:
            return {}
        numbers = [entry.number for entry in self.header.submaps]
        damaged = self.lost("voxels") | self.lost("frames")
        keyframes = 0 if self.lost("keyframes") else self.header.keyframes - len(self.lost("keyframe"))
        return {
            "submaps": len([number for number in numbers if number not in damaged]),
            "submaps_of": len(numbers),
            "keyframes": keyframes,
            "keyframes_of": self.header.keyframes,
        }

    def as_dict(self) -> dict[str, Any]:
        return {
            "map": self.map,
            "sound": self.sound,
            "problems": [vars(problem) for problem in self.problems],
            "good": self.good(),
            "leftovers": list(self.leftovers),
            "arrays": self.arrays,
            "arrays_without_checksum": self.arrays_without_checksum,
        }


def verify_map(path: Path | str) -> Verification:
    """Reads and decodes every chunk that the root names.

    Raises: StoreError when there is no map at `path` at all; VersionError when it is newer than this software.
    """
    place = place_of(path)
    problems, trusted = _trusted(place)
    if trusted is None:
        return Verification(str(place), None, False, tuple(problems), (), 0, 0)
    document = read_document(trusted)
    problems += content_problems(trusted, document)
    header = parse_header(trusted, document)
    problems += list(consistency_problems(trusted, header, problems))
    reader = _EveryByte(trusted, header, problems)
    problems += reader.problems()
    at_spare = trusted.root == SPARE
    leftovers = () if at_spare else tuple(unnamed(trusted, header))
    return Verification(str(place), header, at_spare, tuple(problems), leftovers, reader.arrays, reader.bare)


def _trusted(place: Place) -> tuple[list[Problem], Place | None]:
    """Problems of the root, and the place read by a root without any: its own, else its spare."""
    problems: list[Problem] = []
    for candidate in (place, place.at_spare_root()):
        try:
            found = list(root_problems(read_document(candidate)))
        except StoreError as error:
            if candidate is place and not _begun(place):
                raise
            found = [Problem("root", None, str(error).partition(". ")[0])]
        if not found:
            return problems, candidate
        problems += found if candidate is place else [Problem("root", None, f"{SPARE} is no help: {found[0]}")]
    return problems, None


def _begun(place: Place) -> bool:
    """Whether a map was begun here, however damaged it is now."""
    if place.what_is_wrong() is not None:
        return False
    if not list(place.missing([SPARE], "")):
        return True
    if list(place.missing([ROOT], "")):
        return False
    return b'"streammtl"' in place.read(ROOT)


class _EveryByte:
    """Reads all arrays of a map that are not known to be damaged, and counts those that have no checksum."""

    def __init__(self, place: Place, header: MapHeader, known: list[Problem]) -> None:
        self._place, self._header = place, header
        self._known = {(problem.part, problem.number) for problem in known}
        self._damage = (*DAMAGE, *place.errors)
        self._root = zarr.open_group(place.zarr_store(), mode="r")
        self.arrays, self.bare = 0, 0

    def problems(self) -> Iterator[Problem]:
        for part, number, name in self._groups():
            if (part, number) not in self._known:
                yield from (Problem(part, number, text) for text in self._group_problems(name))
        if self._header.keyframes and not self._known & {("keyframes", None)}:
            yield from self._keyframe_problems()

    def _groups(self) -> Iterator[tuple[str, int | None, str]]:
        header = self._header
        for entry in header.submaps:
            yield "voxels", entry.number, entry.group
            yield "frames", entry.number, f"{entry.group}/frames"
        if header.label_space is not None:
            yield "labels", None, LABELS_GROUP
        for kind in ("trajectory", "surface"):
            if getattr(header, kind) is not None:
                yield kind, None, getattr(header, kind)
        if header.state is not None and ("state", None) not in self._known:
            yield from (("state", None, f"{header.state}/{stage}") for stage in self._root[header.state].group_keys())

    def _group_problems(self, name: str) -> Iterator[str]:
        try:
            arrays = [array for _, array in self._root[name].arrays()]
        except self._damage as error:
            yield f"{name} is damaged: {first_line(error)}"
            return
        for array in arrays:
            self._count(array)
            yield from self._array_problems(array)

    def _array_problems(self, array: zarr.Array) -> Iterator[str]:
        """Reads an array file by file along its first axis."""
        rows = (array.shards or array.chunks or (1,))[0]
        for i, start in enumerate(range(0, array.shape[0] if array.shape else 1, rows)):
            try:
                array[start : start + rows] if array.shape else array[...]
            except self._damage as error:
                yield f"{array.path}/c/{i} is damaged: {first_line(error)}"

    def _keyframe_problems(self) -> Iterator[Problem]:
        known = {number for part, number in self._known if part == "keyframe"}
        for array in keyframe_arrays.arrays(self._root):
            self._count(array)
            entries = (i for i in range(self._header.keyframes) if i not in known)
            for i, text in keyframe_arrays.damaged_entries(self._place, array, entries):
                yield Problem("keyframe", i, text)

    def _count(self, array: zarr.Array) -> None:
        self.arrays += 1
        self.bare += not has_checksums(array)
