"""Saves all that is good of a damaged map into a new one. The damaged map is left as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mapping.records import Blocks, FrameRecord, Submap
from mapping.slam.tracked import TrackStatus
from mapping.store.copying import Contents, keyframe_columns, with_history, write_contents
from mapping.store.header import SubmapEntry
from mapping.store.keyframes import WHEN_AND_WHERE
from mapping.store.place import place_of
from mapping.store.reader import MapReader
from mapping.store.settings import StoreSettings
from mapping.store.submaps import no_blocks
from mapping.store.verify import Verification, verify_map
from streammtl.errors import StoreError


@dataclass(frozen=True)
class Repair:
    """What a repair found and did."""

    verification: Verification
    out: str | None  # None where nothing was damaged and nothing was written
    lost: tuple[str, ...]  # what is not in the new map, or not all of it

    def as_dict(self) -> dict[str, Any]:
        return {"out": self.out, "lost": list(self.lost), "found": self.verification.as_dict()}


def repair_map(path: Path | str, out: Path | str | None = None, settings: StoreSettings | None = None) -> Repair:
    """Copies every intact part of a map to `out`, by default MAP.repaired.zarr beside it.

    A submap is kept as long as its voxels, its frames or its keyframes are good. Frames that were lost come back from
    its keyframes; voxels that were lost leave the submap empty, with the keyframes to fuse it again.
    Raises: StoreError when neither the root nor its spare can be read, and for a taken `out`; VersionError for a newer
    map.
    """
    place = place_of(path)
    found = verify_map(path)
    if found.sound:
        return Repair(found, None, ())
    if found.header is None:
        raise StoreError(
            f"the map {place} cannot be repaired: {'; '.join(map(str, found.problems))}. Its submaps are still there, "
            "but nothing says how they lie to each other; restore its zarr.json from a copy."
        )
    out = out or place.path.with_name(f"{place.path.stem}.repaired.zarr")
    rescue = _Rescue(MapReader(place.at_spare_root() if found.at_spare_root else place), found)
    contents = rescue.contents()
    write_contents(out, contents, settings)
    return Repair(found, str(out), tuple(rescue.lost))


class _Rescue:
    """Takes from a damaged map what is good, and keeps a list of what is not."""

    def __init__(self, reader: MapReader, found: Verification) -> None:
        self._reader, self._found, self._header = reader, found, reader.header
        every = np.arange(self._header.keyframes)
        bad = every if found.lost("keyframes") else np.array(sorted(found.lost("keyframe")), np.int64)
        self._keyframes = np.setdiff1d(every, bad)
        self._frames = _frames_of_keyframes(reader, self._keyframes)
        self.lost = [f"{len(bad)} of {len(every)} keyframes"] if len(bad) else []

    def contents(self) -> Contents:
        """The new map. Everything in it was read once by the verification."""
        kept = [entry for entry in self._header.submaps if self._keeps(entry)]
        surface = None
        if self._header.surface and not self.lost and not self._found.lost("surface"):
            surface = self._reader.surface()
        elif self._header.surface:
            self.lost.append("the merged surface; exports compute it again")
        state = self._state(kept)
        header = self._header
        if not state and not header.progress.complete:
            self.lost.append("what --resume needs: map the rest of the recording anew, then `streammtl merge` both")
            header = header.model_copy(update={"progress": header.progress.model_copy(update={"complete": True})})
        header = with_history(header, repaired=[str(problem) for problem in self._found.problems])
        columns = keyframe_columns(self._reader, self._keyframes)
        return Contents(header, map(self._submap, kept), columns, state, surface)

    def _keeps(self, entry: SubmapEntry) -> bool:
        voxels, frames = (entry.number not in self._found.lost(part) for part in ("voxels", "frames"))
        keyframes = len(self._frames.get(entry.number, []))
        if not (voxels or frames or keyframes):
            self.lost.append(f"submap {entry.number} as a whole")
            return False
        if not voxels:
            again = "its keyframes are there to fuse it again" if keyframes else "it has no keyframes"
            self.lost.append(f"{entry.blocks} blocks of submap {entry.number}; {again}")
        if not frames:
            self.lost.append(f"{entry.frames - keyframes} of {entry.frames} frames of submap {entry.number}")
        return True

    def _submap(self, entry: SubmapEntry) -> Submap:
        number = entry.number
        blocks = self._empty() if number in self._found.lost("voxels") else self._reader.blocks_of(number)
        lost_frames = number in self._found.lost("frames")
        frames = self._frames.get(number, []) if lost_frames else self._reader.frames_of(number)
        return Submap(number, entry.component, entry.anchor, blocks, frames, entry.closed)

    def _empty(self) -> Blocks:
        good = (entry.number for entry in self._header.submaps if entry.number not in self._found.lost("voxels"))
        number = next(good, None)
        settings = self._header.config.get("fusion", {})
        kept = settings.get("labels_per_voxel", 1) if isinstance(settings, dict) else 1
        return no_blocks(int(kept) if number is None else self._reader.labels_per_voxel(number))

    def _state(self, kept: list[SubmapEntry]) -> dict[str, dict[str, np.ndarray]]:
        """What `--resume` goes on from, as long as the submaps that it speaks of are there."""
        there = {entry.number for entry in kept}
        still_open = {entry.number for entry in self._header.submaps if not entry.closed}
        if self._found.lost("state") or not still_open <= there:
            return {}
        return self._reader.state()


def _frames_of_keyframes(reader: MapReader, numbers: np.ndarray) -> dict[int, list[FrameRecord]]:
    """Submap number -> its frames, as far as they are keyframes."""
    frames: dict[int, list[FrameRecord]] = {}
    scale = reader.header.scale.status
    for columns in keyframe_columns(reader, numbers, WHEN_AND_WHERE):
        rows = zip(*(columns[name] for name in WHEN_AND_WHERE), strict=True)
        for frame, timestamp_s, submap, T_submap_cam in rows:
            record = FrameRecord(int(frame), float(timestamp_s), T_submap_cam, TrackStatus.TRACKED, scale, True)
            frames.setdefault(int(submap), []).append(record)
    return frames
