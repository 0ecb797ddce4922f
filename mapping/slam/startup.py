"""The two-view start of a component without depth: waits for real parallax, then poses the waiting frames late."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mapping.slam import colmap, features
from mapping.slam.adjustment import Adjustment, solve
from mapping.slam.lens import Lens
from mapping.slam.local_map import LocalMap
from mapping.slam.rigid import inverse, transform
from mapping.slam.scarce_pose import turn_between
from mapping.slam.settings import TrackerSettings
from mapping.slam.table import Table

NOMINAL_DEPTH = 2.0  # median depth of the first landmarks; lengths are up to scale, but voxel sizes then make sense
_MIN_CORNERS = 60
_MIN_LANDMARKS = 40
_MAX_WAITING = 240  # frames
_START_KEYFRAMES = 5
_EASILY_FOLLOWED = 0.6  # of the corners of the reference: while so many are in sight, a start can wait
_PATIENCE = 2.0  # for that many times the angle that is asked for: the better the start, the less the scale drifts


class Waiting(Table):
    """Where the tracks of the start were seen in one frame that waits for its pose, as one row per sighting."""

    columns: ClassVar = {"frame": ("i4", ()), "track": ("i4", ()), "uv": ("f4", (2,))}


class TwoViewStart:
    """Follows corners from a reference frame until a second view allows a start.

    The map it grows is its own until then: a camera that was lost may still come back to the map it knows.
    """

    def __init__(self, settings: TrackerSettings, lens: Lens) -> None:
        self.settings = settings
        self.lens = lens
        self.adjustment = Adjustment(lens)
        self.local_map = LocalMap()
        self.waiting = Waiting()
        self.reference = -1  # frame index

    def begin(self, grey: np.ndarray, index: int, moving: np.ndarray | None = None) -> bool:
        """Takes a frame as reference; False where it shows too little that does not move by itself."""
        uv = features.detect(grey, self.settings.max_tracks, np.zeros((0, 2)), moving)
        if len(uv) < _MIN_CORNERS:
            return False
        self.local_map, self.waiting = LocalMap(), Waiting()
        self.reference = index
        self.local_map.add_tracks(grey, uv, self.lens.to_ideal(uv), np.full((len(uv), 3), np.nan), index)
        self._remember(index)
        return True

    def follow(self, previous: np.ndarray, grey: np.ndarray, index: int) -> bool:
        """Follows the corners into the next frame; False when too few are left to start from this reference."""
        tracks = self.local_map.tracks
        rows = np.flatnonzero(tracks.followed)
        moved, found = features.follow(previous, grey, tracks.uv[rows], tracks.uv[rows], np.ones(len(rows), bool))
        tracks.uv[rows[found]] = moved[found]
        tracks.followed[rows[~found]] = False
        self._remember(index)
        return bool(found.sum() >= max(_MIN_LANDMARKS, 0.3 * len(tracks)))

    def _remember(self, index: int) -> None:
        tracks = self.local_map.tracks
        rows = np.flatnonzero(tracks.followed)
        self.waiting.append(frame=index, track=tracks.id[rows], uv=self.lens.to_ideal(tracks.uv[rows]))
        frames = np.unique(self.waiting.frame)
        if len(frames) > _MAX_WAITING:  # the one after the reference goes: it will stay without a pose
            self.waiting.keep(self.waiting.frame != frames[1])

    def parallax_px(self) -> float:
        """Median motion of the corners that a turn of the camera does not explain, pixels."""
        uv0, uv1 = self._pair()[1:]
        rays0, rays1 = (rays / np.linalg.norm(rays, axis=1, keepdims=True) for rays in map(self.lens.rays, (uv0, uv1)))
        moved = np.linalg.norm(rays1 @ turn_between(rays0, rays1).T - rays0, axis=1)
        return float(np.median(moved)) * self.lens.camera.fx

    def _pair(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of the tracks still followed, with their ideal pixels in the reference and in the current frame."""
        rows = np.flatnonzero(self.local_map.tracks.followed)
        return rows, self.local_map.tracks.patch_uv[rows], self.lens.to_ideal(self.local_map.tracks.uv[rows])

    def attempt(self, T_world_reference: np.ndarray, index: int) -> bool:
        """Tries to start from the reference and the current frame; fills the map with keyframes and landmarks.

        On failure the map is left without keyframes and positions.
        """
        wanted_deg = self.settings.min_start_angle_deg
        if self.local_map.tracks.followed.mean() > _EASILY_FOLLOWED:
            wanted_deg *= _PATIENCE
        wanted_px = np.radians(wanted_deg) * self.lens.camera.fx
        if self.parallax_px() < max(1.5, 0.1 * wanted_px):
            return False
        rows, uv0, uv1 = self._pair()
        pair = colmap.two_view(uv0, uv1, self.lens.pinhole, self.settings.seed)
        if pair is None or not pair.calibrated or pair.angle_deg < wanted_deg:
            return False
        if pair.inliers.sum() < max(_MIN_LANDMARKS, 0.6 * len(rows)):
            return False
        poses = np.stack([T_world_reference, T_world_reference @ pair.T_cam0_cam1])
        seen = [(np.array([0, 1]), np.stack([a, b])) for a, b in zip(uv0, uv1, strict=True)]
        xyz = colmap.triangulate(seen, poses, self.lens.pinhole, self.settings.seed, min_angle_deg=0.5)
        xyz[~pair.inliers] = np.nan
        local_map = self.local_map
        local_map.tracks.xyz[rows] = xyz
        started = np.isfinite(xyz[:, 0]).sum() >= _MIN_LANDMARKS and self._build(poses, index)
        if not started:
            local_map.tracks.xyz[:] = np.nan
            local_map.keyframes.keep(np.zeros(len(local_map.keyframes), bool))
            local_map.sightings.keep(np.zeros(len(local_map.sightings), bool))
        return started

    def _build(self, poses: np.ndarray, index: int) -> bool:
        """Keyframes spread over the waiting frames, adjusted together and brought to the nominal scale."""
        local_map = self.local_map
        known = {self.reference: poses[0], index: poses[1]}
        frames = np.unique(self.waiting.frame)
        spread = frames[np.unique(np.linspace(0, len(frames) - 1, _START_KEYFRAMES).round().astype(int))]
        for frame in spread.tolist():
            T_world_cam = known.get(frame)
            if T_world_cam is None:
                T_world_cam = self._pose(local_map, frame)
            if T_world_cam is None:
                continue
            local_map.keyframes.append(index=np.array([frame]), T_world_cam=T_world_cam)
            mine = self.waiting.frame == frame
            local_map.sightings.append(
                keyframe=frame, track=self.waiting.track[mine], uv=self.waiting.uv[mine], depth_m=0.0
            )
        problem = self.adjustment.problem(local_map, self.settings.window, max_iterations=30)
        if problem is not None:
            self.adjustment.take_up(local_map, solve(problem))
        self._rescale()
        landmark = local_map.tracks.is_landmark & local_map.tracks.followed
        return bool(landmark.sum() >= _MIN_LANDMARKS)

    def _rescale(self) -> None:
        """Stretches the map about the reference camera until its median depth there is the nominal one."""
        local_map = self.local_map
        T_world_reference = local_map.keyframes.T_world_cam[0]
        landmark = local_map.tracks.is_landmark
        if not landmark.any():
            return
        depth = transform(inverse(T_world_reference), local_map.tracks.xyz[landmark])[:, 2]
        factor = NOMINAL_DEPTH / float(np.median(depth))
        centre = T_world_reference[:3, 3]
        local_map.tracks.xyz = centre + factor * (local_map.tracks.xyz - centre)
        moved = local_map.keyframes.T_world_cam
        moved[:, :3, 3] = centre + factor * (moved[:, :3, 3] - centre)

    def _pose(self, local_map: LocalMap, frame: int) -> np.ndarray | None:
        mine = np.flatnonzero(self.waiting.frame == frame)
        rows = local_map.rows_of(self.waiting.track[mine])
        usable = (rows >= 0) & local_map.tracks.is_landmark[rows]
        uv, xyz = self.waiting.uv[mine[usable]].astype(np.float64), local_map.tracks.xyz[rows[usable]]
        pose = colmap.absolute_pose(uv, xyz, self.lens.pinhole, self.settings.seed)
        if pose is None or pose.inliers.sum() < self.settings.min_inliers:
            return None
        return pose.T_world_cam

    def late_poses(self, local_map: LocalMap) -> dict[int, np.ndarray]:
        """Poses of all frames that waited, keyframes' as they stand now, by frame index."""
        poses = {}
        for frame in np.unique(self.waiting.frame).tolist():
            row = np.flatnonzero(local_map.keyframes.index == frame)
            T_world_cam = local_map.keyframes.T_world_cam[row[0]].copy() if len(row) else self._pose(local_map, frame)
            if T_world_cam is not None:
                poses[frame] = T_world_cam
        return poses
