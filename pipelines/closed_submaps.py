"""Where closed submaps lie: all of them that a loop can still change."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mapping.records import Submap
from mapping.slam.rigid import moved_pose
from mapping.slam.tracked import Correction
from mapping.store.header import MapHeader


@dataclass(frozen=True)
class _Lies:
    component: int
    T_world_submap: np.ndarray
    middle: int  # frame index in the middle of its stretch


class ClosedSubmaps:
    """Anchors and components of closed submaps, by number."""

    def __init__(self) -> None:
        self._lie: dict[int, _Lies] = {}

    def add(self, submap: Submap, middle: int) -> None:
        """Takes a submap that closes; it moves as the frame `middle` does."""
        self._lie[submap.number] = _Lies(submap.component, submap.T_world_submap, middle)

    def correct(self, correction: Correction) -> None:
        """Moves those of the correction's component."""
        for number, lies in self._lie.items():
            if lies.component == correction.component:
                anchor = moved_pose(correction.at(lies.middle), lies.T_world_submap)
                self._lie[number] = _Lies(correction.joined, anchor, lies.middle)

    def placed(self, submap: Submap) -> Submap:
        """A submap where it lies now."""
        lies = self._lie[submap.number]
        return replace(submap, component=lies.component, T_world_submap=lies.T_world_submap)

    def moved(self, header: MapHeader) -> tuple[dict[int, np.ndarray], dict[int, int]]:
        """Anchors and components of committed submaps that differ from the header's, by number."""
        known = [(entry, self._lie[entry.number]) for entry in header.submaps if entry.number in self._lie]
        anchors = {e.number: lies.T_world_submap for e, lies in known if (e.anchor != lies.T_world_submap).any()}
        return anchors, {e.number: lies.component for e, lies in known if e.component != lies.component}

    def state(self) -> np.ndarray:
        """i64 [N,2] numbers and middles; the rest is in the map."""
        return np.array([(number, lies.middle) for number, lies in self._lie.items()], np.int64).reshape(-1, 2)

    @classmethod
    def restored(cls, state: np.ndarray, header: MapHeader) -> ClosedSubmaps:
        """Inverse of state, with a header that was committed along with it."""
        closed = cls()
        entries = {entry.number: entry for entry in header.submaps}
        for number, middle in state.tolist():
            closed._lie[number] = _Lies(entries[number].component, entries[number].anchor, middle)
        return closed
