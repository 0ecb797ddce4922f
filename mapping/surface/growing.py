"""The surface of a map that another process may still be writing, in pieces for whoever shows it."""

from __future__ import annotations

import gzip
import logging
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mapping.records import FrameRecord
from mapping.store.header import SubmapEntry
from mapping.store.reader import MapReader, is_map, open_map
from mapping.surface.live_mesh import Group, LiveMesh
from mapping.surface.mesh import Mesh
from streammtl.errors import StoreError

MOST_BYTES = 128 << 20  # of packed pieces: about 8 million triangles
PATH_POINTS = 500  # of each submap

logger = logging.getLogger(__name__)


@dataclass
class _Shown:
    """A submap as it is shown: pieces and path in its own frame, so that a loop moves its anchor and nothing else."""

    mesh: LiveMesh | None  # None once it is closed: nothing of it will change
    group: str = ""  # of the checkpoint that was read last
    path: list[list[float]] = field(default_factory=list)  # camera centres, m
    up: list[float] = field(default_factory=list)  # away from the ground, as the cameras were held
    ahead: list[float] = field(default_factory=list)  # where they looked in the mean
    pieces: dict[Group, tuple[int, bytes]] = field(default_factory=dict)  # with the version of their last change


class GrowingSurface:
    """What changed in a map since it was last looked at, meshed anew; all else stays as it was.

    Memory holds the voxels of one submap at a time and at most `most_bytes` of packed pieces: where there are more, the
    oldest submaps are no longer shown. One thread updates, any may ask.
    """

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self._path, self._most_bytes = path, most_bytes
        self._reader: MapReader | None = None
        self._shown: dict[int, _Shown] = {}
        self._version = 0
        self._changed = threading.Lock()

    def update(self) -> bool:
        """Takes over the newest commit; whether there was anything new. A submap that its writer replaces meanwhile is
        read the next time."""
        if self._reader is None:
            if not is_map(self._path):
                return False
            self._reader = open_map(self._path)
        else:
            generation = self._reader.header.generation
            self._reader.refresh()
            late = any(self._lags(entry) for entry in self._reader.header.submaps)
            if generation == self._reader.header.generation and not late:
                return False
        for entry in reversed(self._reader.header.submaps):  # the newest first: that is where the camera is
            if self._lags(entry):
                self._follow(entry)
        with self._changed:
            self._version += 1
        return True

    def changes(self, after: int) -> dict[str, Any]:
        """What a page that saw version `after` lacks, JSON-able. Pieces of 0 bytes are gone.

        Submaps come with anchor (T_world_submap, row by row) and path in metres, pieces as [x, y, z, version, bytes].
        """
        with self._changed:
            if self._reader is None:
                return {"version": 0, "submaps": []}
            header, space = self._reader.header, self._reader.header.label_space
            submaps = []
            for entry in header.submaps:
                shown = self._shown.get(entry.number, _Shown(None))
                fresh = [[*g, version, len(data)] for g, (version, data) in shown.pieces.items() if version > after]
                facts = {"number": entry.number, "component": entry.component, "anchor": entry.anchor.ravel().tolist()}
                submaps.append({**facts, "path": shown.path, "up": shown.up, "ahead": shown.ahead, "pieces": fresh})
            return {
                "version": self._version,
                "frames": header.progress.frames_by_status,
                "next_frame": header.progress.next_frame,
                "keyframes": header.keyframes,
                "complete": header.progress.complete,
                "metric": header.scale.status == "metric",
                "palette": [] if space is None else [list(colour) for colour in space.palette],
                "label_ids": [] if space is None else list(space.ids),
                "submaps": submaps,
            }

    def piece(self, number: int, group: Group) -> bytes | None:
        """A packed piece, gzip; None where there is none (any more)."""
        with self._changed:
            shown = self._shown.get(number)
            return None if shown is None else shown.pieces.get(group, (0, b""))[1] or None

    def _lags(self, entry: SubmapEntry) -> bool:
        shown = self._shown.get(entry.number)
        return shown is None or shown.group != entry.group

    def _follow(self, entry: SubmapEntry) -> None:
        known = self._shown.get(entry.number)
        mesh = LiveMesh(self._reader.header.voxel_size_m) if known is None or known.mesh is None else known.mesh
        try:
            submap = self._reader.submap(entry.number)
        except StoreError as error:
            logger.info("%s Shown as it was.", error)
            return
        fresh = {group: packed(piece) for group, piece in mesh.update(submap.blocks).items()}
        with self._changed:
            self._version += 1
            shown = self._shown.setdefault(entry.number, _Shown(mesh))
            shown.group, shown.mesh = entry.group, None if submap.closed else mesh
            shown.path, shown.up, shown.ahead = _path(submap.frames)
            shown.pieces |= {group: (self._version, data) for group, data in fresh.items()}
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        sizes = {n: sum(len(data) for _, data in shown.pieces.values()) for n, shown in self._shown.items()}
        for number in sorted(sizes)[:-1]:
            if sum(sizes.values()) <= self._most_bytes:
                return
            if sizes.pop(number):
                pieces = self._shown[number].pieces
                self._shown[number].pieces = dict.fromkeys(pieces, (self._version, b""))


def packed(mesh: Mesh) -> bytes:
    """A mesh for a browser, gzip; nothing for one without faces.

    Little endian: vertices and faces u32, positions f32 [n,3], normals i8 [n,4] (127 = 1), colours u8 [n,3] with the
    label behind them [n,4], corners u32 [f,3].
    """
    if not len(mesh.faces):
        return b""
    normals = np.zeros((len(mesh.vertices), 4), np.int8)
    normals[:, :3] = np.round(127 * mesh.normals)
    parts = (
        mesh.vertices.astype("<f4"),
        normals,
        np.column_stack([mesh.colours, mesh.labels]),
        mesh.faces.astype("<u4"),
    )
    head = struct.pack("<II", len(mesh.vertices), len(mesh.faces))
    return gzip.compress(head + b"".join(part.tobytes() for part in parts), compresslevel=1, mtime=0)


def _path(frames: list[FrameRecord]) -> tuple[list[list[float]], list[float], list[float]]:
    """Camera centres of the frames that have a pose, thinned; the directions up and ahead, in the submap's frame."""
    poses = np.array([f.T_submap_cam for f in frames if np.isfinite(f.T_submap_cam).all()]).reshape(-1, 4, 4)
    if not len(poses):
        return [], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    kept = np.unique(np.linspace(0, len(poses) - 1, min(len(poses), PATH_POINTS)).astype(int))
    right, down = poses[:, :3, 0], poses[:, :3, 1].mean(0)
    # people hold cameras level, looking up or down: across the images' rows, and where that is not sure, along columns
    up = np.linalg.eigh(right.T @ right / len(poses) - 0.1 * np.outer(down, down))[1][:, 0]
    directions = (up * -np.sign(up @ down), poses[:, :3, 2].mean(0))
    return np.round(poses[kept, :3, 3], 4).tolist(), *(np.round(d, 4).tolist() for d in directions)
