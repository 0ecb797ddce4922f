"""The path of the camera through the whole map, put together from the frames of its submaps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import zarr

from mapping.store.arrays import read_member, write_array
from mapping.store.contract import group_problems, members_of
from mapping.store.damage import damaged
from mapping.store.header import SubmapEntry
from mapping.store.place import Place
from mapping.store.submaps import TRACK_STATUSES, read_frame_columns


@dataclass(frozen=True)
class MapTrajectory:
    """Every frame of the map, by rising frame index. Poses of different components cannot be compared."""

    timestamps_s: np.ndarray  # f64 [N]
    T_world_cam: np.ndarray  # f64 [N,4,4]; NaN where the frame has no pose
    status: np.ndarray  # str [N], values of TrackStatus
    keyframe: np.ndarray  # bool [N]; fused into the map
    frame: np.ndarray  # i64 [N] index in the recording
    component: np.ndarray  # i32 [N]
    confidence: np.ndarray  # f32 [N] of the pose, mapping.slam.tracked.pose_confidence; NaN where unknown

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def posed(self) -> np.ndarray:
        """bool [N]: which frames have a pose."""
        return np.isfinite(self.T_world_cam).all(axis=(1, 2))

    @property
    def length_m(self) -> float:
        """Length of the path through the posed frames, not counting jumps between components."""
        positions, component = self.T_world_cam[self.posed, :3, 3], self.component[self.posed]
        steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
        return float(steps[component[1:] == component[:-1]].sum())

    def select(self, mask: np.ndarray) -> MapTrajectory:
        """The frames where `mask` [N] holds."""
        return MapTrajectory(*(getattr(self, field.name)[mask] for field in fields(self)))


def read_trajectory(place: Place, root: zarr.Group, entries: Iterable[SubmapEntry]) -> MapTrajectory:
    """The trajectory at the anchors that `entries` give. A frame that two submaps hold counts once, the later one."""
    parts = [_in_world(read_frame_columns(place, root, entry), entry) for entry in entries]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else _empty()
    _, last = np.unique(joined["frame"][::-1], return_index=True)
    order = len(joined["frame"]) - 1 - last
    return MapTrajectory(**{name: column[order] for name, column in joined.items()})


def _in_world(columns: dict[str, np.ndarray], entry: SubmapEntry) -> dict[str, np.ndarray]:
    return {
        "timestamps_s": columns["timestamp_s"],
        "T_world_cam": entry.anchor @ columns["T_submap_cam"],
        "status": np.array(TRACK_STATUSES)[columns["status"]],
        "keyframe": columns["keyframe"],
        "frame": columns["frame"],
        "component": np.full(len(columns["frame"]), entry.component, dtype=np.int32),
        "confidence": columns["confidence"],
    }


def _empty() -> dict[str, np.ndarray]:
    return {
        "timestamps_s": np.zeros(0),
        "T_world_cam": np.zeros((0, 4, 4)),
        "status": np.zeros(0, dtype=np.array(TRACK_STATUSES).dtype),
        "keyframe": np.zeros(0, dtype=bool),
        "frame": np.zeros(0, dtype=np.int64),
        "component": np.zeros(0, dtype=np.int32),
        "confidence": np.zeros(0, dtype=np.float32),
    }


def read_trajectory_group(place: Place, root: zarr.Group, name: str) -> MapTrajectory:
    """The derived group as `write_trajectory_group` wrote it."""
    members = members_of(root[name], "trajectory")
    for problem in group_problems(members, "trajectory", {}):
        raise damaged(place, problem)
    columns = {array_name: read_member(place, array) for array_name, array in members.items()}
    columns["timestamps_s"] = columns.pop("timestamp_s")
    columns["status"] = np.array(TRACK_STATUSES)[columns["status"]]
    columns.setdefault("confidence", np.full(len(columns["frame"]), np.nan, np.float32))  # older maps
    return MapTrajectory(**columns)


def write_trajectory_group(root: zarr.Group, name: str, trajectory: MapTrajectory) -> None:
    """Writes the derived group for people who read the map with plain Zarr."""
    group = root.create_group(name)
    write_array(group, "frame", trajectory.frame)
    write_array(group, "timestamp_s", trajectory.timestamps_s)
    write_array(group, "T_world_cam", trajectory.T_world_cam)
    codes = np.array([TRACK_STATUSES.index(status) for status in trajectory.status], dtype=np.uint8)
    write_array(group, "status", codes, {"meanings": TRACK_STATUSES})
    write_array(group, "keyframe", trajectory.keyframe)
    write_array(group, "component", trajectory.component)
    write_array(group, "confidence", trajectory.confidence)
