"""What one commit writes before the root takes it over, and how it is taken back when it fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import zarr
from pydantic import ValidationError

from mapping.records import KeyframeRecord, Submap
from mapping.store import keyframes as keyframe_arrays
from mapping.store.arrays import settle_writes
from mapping.store.header import LabelSpaceRecord, MapHeader, SubmapEntry
from mapping.store.labels import GROUP as LABELS_GROUP
from mapping.store.labels import check_label_space, write_labels
from mapping.store.litter import named_groups, remove_group
from mapping.store.place import ROOT, Place
from mapping.store.settings import StoreSettings
from mapping.store.state import StageStates, check_state, write_state
from mapping.store.submaps import check_submap, write_submap
from streammtl.errors import StoreError


class Commit:
    """New groups and chunks beside a committed map. `pointers` holds the header fields by which they begin to exist."""

    def __init__(self, place: Place, committed: MapHeader, settings: StoreSettings) -> None:
        self._place = place
        self._committed = committed
        self._settings = settings
        self._root = zarr.open_group(place.zarr_store(read_only=False), mode="r+")
        self._entries = {entry.number: entry for entry in committed.submaps}
        self._new_groups: list[str] = []
        self._new_keyframes = 0
        self.generation = committed.generation + 1
        self.pointers: dict[str, Any] = {
            "generation": self.generation,
            "submaps": committed.submaps,
            "keyframes": committed.keyframes,
            "state": committed.state,
            "trajectory": None,  # derived from what changes now
            "surface": None,
            "label_space": committed.label_space,
        }

    def write_submaps(self, submaps: Iterable[Submap]) -> None:
        """Writes each submap as a new group. Raises StoreError for a closed one and for arrays that do not fit."""
        for submap in submaps:
            check_submap(submap)
            entry = self._entries.get(submap.number)
            if entry is not None and entry.closed:
                raise StoreError(
                    f"submap {submap.number} is closed and cannot be written again; only its anchor can move."
                )
            checkpoint = 1 if entry is None else int(entry.group.rpartition(".")[2]) + 1
            name = self._new_group(f"submaps/{submap.number:06d}.{checkpoint}")
            self._entries[submap.number] = write_submap(self._root, name, submap, self._settings)
        self._point_to_submaps()

    def move(self, anchors: Mapping[int, np.ndarray], components: Mapping[int, int]) -> None:
        """Gives submaps new anchors T_world_submap f64 [4,4] and components, without touching their voxels."""
        changes = {number: {"T_world_submap": np.asarray(T, np.float64).tolist()} for number, T in anchors.items()}
        for number, component in components.items():
            changes[number] = changes.get(number, {}) | {"component": component}
        for number, change in changes.items():
            if number not in self._entries:
                raise StoreError(f"submap {number} cannot be moved: the map holds {sorted(self._entries)}.")
            try:
                self._entries[number] = SubmapEntry.model_validate(self._entries[number].model_dump() | change)
            except ValidationError as error:
                raise StoreError(
                    f"submap {number} cannot be moved: {error.errors()[0]['msg']}; got {change}."
                ) from None
        self._point_to_submaps()

    def append_keyframes(self, records: Sequence[KeyframeRecord]) -> None:
        """Appends keyframes of submaps that are in the map or come with this commit."""
        for record in records:
            keyframe_arrays.check_keyframe(record)
            if record.submap not in self._entries:
                raise StoreError(
                    f"the keyframe of frame {record.frame} belongs to submap {record.submap}, which is not in the map."
                )
        if records:
            self.append_columns(keyframe_arrays.columns_of(list(records), self._settings))

    def append_columns(self, columns: keyframe_arrays.Columns) -> None:
        """Appends keyframes as another map keeps them, to the bit."""
        start = self._committed.keyframes + self._new_keyframes
        self._new_keyframes += len(columns["frame"])
        keyframe_arrays.append_columns(self._root, start, columns)
        self.pointers["keyframes"] = start + len(columns["frame"])

    def write_state(self, state: StageStates) -> None:
        """Replaces the stage states as a whole."""
        check_state(state)
        self.pointers["state"] = None
        if state:
            self.pointers["state"] = self._new_group(f"state/{self.generation}")
            write_state(self._root, self.pointers["state"], state)

    def write_labels(self, label_space: LabelSpaceRecord | None) -> None:
        """Writes the label space once; later it must be the same, since voxels hold its ids."""
        if self._committed.label_space is None and label_space is not None:
            check_label_space(label_space)
            write_labels(self._root, label_space)
            self.pointers["label_space"] = label_space
        elif label_space is not None and label_space != self._committed.label_space:
            raise StoreError(
                f"this map holds labels of {self._committed.label_space.name}, version "
                f"{self._committed.label_space.version}; "
                f"{label_space.name}, version {label_space.version} came. Start a new map for other labels."
            )

    def derived_group(self, kind: str) -> tuple[zarr.Group, str]:
        """The root group and a name for a new trajectory or surface group; the other derived group stays as it is."""
        name = self._new_group(f"{kind}/{self.generation}")
        self.pointers |= {"trajectory": self._committed.trajectory, "surface": self._committed.surface, kind: name}
        return self._root, name

    def press(self) -> None:
        """Brings everything written so far onto the disk."""
        kinds = sorted({name.partition("/")[0] for name in self._new_groups})
        names, folders = [*self._new_groups, *(f"{kind}/{ROOT}" for kind in kinds)], ["", *kinds]
        if self._committed.label_space is None and self.pointers["label_space"] is not None:
            names.append(LABELS_GROUP)
        if self._new_keyframes:
            names += keyframe_arrays.names_to_press(self._committed.keyframes, self.pointers["keyframes"])
            folders += keyframe_arrays.folders_to_press()
        self._place.press(names, folders)

    def take_back(self, header: MapHeader) -> None:
        """Deletes what was written and `header`, the one on the disk, does not name."""
        settle_writes()
        named = named_groups(header)
        for name in self._new_groups:
            if name not in named:
                remove_group(self._place, name)
        keyframe_arrays.remove_entries(self._place, header.keyframes, self._committed.keyframes + self._new_keyframes)

    def _point_to_submaps(self) -> None:
        self.pointers["submaps"] = tuple(self._entries[number] for number in sorted(self._entries))

    def _new_group(self, name: str) -> str:
        remove_group(self._place, name)
        self._new_groups.append(name)
        return name
