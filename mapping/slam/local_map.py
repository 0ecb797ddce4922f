"""What the tracker remembers of the scene: tracks (image points followed over time), keyframes, and who saw what."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mapping.slam import patches
from mapping.slam.rigid import moved_pose
from mapping.slam.table import Table
from mapping.slam.tracked import Correction

_SIDE = 2 * patches.RADIUS + 1


class Tracks(Table):
    """Image points under observation. Those with a position are landmarks, the others candidates."""

    columns: ClassVar = {
        "id": ("i8", ()),
        "uv": ("f8", (2,)),  # where it was last seen, image pixels
        "followed": ("?", ()),  # it was seen in the last tracked frame
        "xyz": ("f8", (3,)),  # in the world; NaN while unknown
        "patch": ("u1", (_SIDE, _SIDE)),  # its looks
        "patch_offset": ("f8", (2,)),  # of the point from the middle of the patch, pixels
        "patch_uv": ("f8", (2,)),  # ideal pixel at which the patch was cut
        "patch_keyframe": ("i8", ()),  # frame index of the keyframe from which it was cut
        "last_seen": ("i8", ()),  # frame index
        "found": ("i4", ()),  # frames in which it agreed with the pose
        "missed": ("i4", ()),  # frames in which it should have been seen and was not
    }

    @property
    def is_landmark(self) -> np.ndarray:
        return np.isfinite(self.xyz[:, 0])


class Keyframes(Table):
    """Frames that hold the map together, in order."""

    columns: ClassVar = {"index": ("i8", ()), "T_world_cam": ("f8", (4, 4))}


class Sightings(Table):
    """One row per track and keyframe that saw it."""

    columns: ClassVar = {
        "keyframe": ("i4", ()),  # frame index
        "track": ("i4", ()),  # id
        "uv": ("f4", (2,)),  # ideal pixels
        "depth_m": ("f4", ()),  # measured by a sensor, 0 = not
    }


class LocalMap:
    """The tracks, keyframes and sightings of one component."""

    def __init__(self) -> None:
        self.tracks = Tracks()
        self.keyframes = Keyframes()
        self.sightings = Sightings()
        self.next_id = 0

    def add_tracks(
        self, grey: np.ndarray, uv: np.ndarray, uv_ideal: np.ndarray, xyz: np.ndarray, frame_index: int
    ) -> None:
        """New tracks at image pixels uv f64 [N,2] of a grey keyframe u8 [H,W]; xyz is NaN where unknown."""
        if not len(uv):
            return
        patch, offset = patches.cut(grey, uv)
        ids = np.arange(self.next_id, self.next_id + len(uv))
        self.next_id += len(uv)
        self.tracks.append(
            id=ids,
            uv=uv,
            followed=True,
            xyz=xyz,
            patch=patch,
            patch_offset=offset,
            patch_uv=uv_ideal,
            patch_keyframe=frame_index,
            last_seen=frame_index,
            found=1,
            missed=0,
        )

    def rows_of(self, ids: np.ndarray) -> np.ndarray:
        """Rows of tracks by id; -1 for those that are gone. Ids ascend with rows."""
        if not len(self.tracks):
            return np.full(len(ids), -1)
        rows = np.minimum(np.searchsorted(self.tracks.id, ids), len(self.tracks) - 1)
        return np.where(self.tracks.id[rows] == ids, rows, -1)

    def keyframe_rows(self, index: np.ndarray) -> np.ndarray:
        """Rows of keyframes by frame index; they must exist."""
        return np.searchsorted(self.keyframes.index, index)

    def drop_tracks(self, gone: np.ndarray) -> None:
        """Forgets the tracks marked in bool [N], with their sightings."""
        self.tracks.keep(~gone)
        self.sightings.keep(self.rows_of(self.sightings.track) >= 0)

    def correct(self, correction: Correction) -> None:
        """Moves each keyframe as the nearest place, and each landmark with the keyframe that first saw it."""
        self.keyframes.T_world_cam = moved_pose(correction.at(self.keyframes.index), self.keyframes.T_world_cam)
        S = correction.at(self.tracks.patch_keyframe)
        self.tracks.xyz = np.einsum("nij,nj->ni", S[:, :3, :3], self.tracks.xyz) + S[:, :3, 3]

    def forget(self, max_keyframes: int, max_landmarks: int) -> None:
        """Bounds memory: drops the oldest keyframes with the tracks first seen there, then tracks unseen longest."""
        if len(self.keyframes) > max_keyframes:
            oldest_kept = self.keyframes.index[-max_keyframes]
            self.drop_tracks(self.tracks.patch_keyframe < oldest_kept)
            self.sightings.keep(self.sightings.keyframe >= oldest_kept)
            self.keyframes.keep(self.keyframes.index >= oldest_kept)
        excess = len(self.tracks) - max_landmarks
        if excess > 0:
            gone = np.zeros(len(self.tracks), bool)
            gone[np.argsort(self.tracks.last_seen, kind="stable")[:excess]] = True
            self.drop_tracks(gone & ~self.tracks.followed)

    def to_arrays(self, prefix: str = "map") -> dict[str, np.ndarray]:
        """The whole map as plain arrays, named prefix.table.column."""
        return {
            **self.tracks.to_arrays(f"{prefix}.tracks"),
            **self.keyframes.to_arrays(f"{prefix}.keyframes"),
            **self.sightings.to_arrays(f"{prefix}.sightings"),
            f"{prefix}.next_id": np.array(self.next_id),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], prefix: str = "map") -> LocalMap:
        """Inverse of to_arrays."""
        restored = cls()
        restored.tracks = Tracks.from_arrays(arrays, f"{prefix}.tracks")
        restored.keyframes = Keyframes.from_arrays(arrays, f"{prefix}.keyframes")
        restored.sightings = Sightings.from_arrays(arrays, f"{prefix}.sightings")
        restored.next_id = int(arrays[f"{prefix}.next_id"])
        return restored
